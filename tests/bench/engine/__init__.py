"""Speed of the engine behind `/chat-ws`, beside llama.cpp's own server and benchmark on the same machine."""
