// The field's JavaScript client in its simplest form: Node's own WebSocket, one question, all events printed.
// usage: node --experimental-websocket ask.mjs URL SESSION_ID CONTENT

const [url, sessionId, content] = process.argv.slice(2);
const socket = new WebSocket(`${url}?session_id=${sessionId}`);
socket.onopen = () =>
  socket.send(JSON.stringify({ type: 'message', message_id: 'from-node', content, session_id: sessionId }));
socket.onmessage = ({ data }) => {
  console.log(data);
  if (['stream_end', 'stream_error'].includes(JSON.parse(data).type)) socket.close(1000);
};
socket.onerror = (event) => {
  console.error(String(event.error ?? event.message));
  process.exitCode = 1;
};
