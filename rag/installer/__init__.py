"""Installs a bundle, with the system's Python alone: a copy of this folder lies in the bundle, for install.sh.

TARGET/releases/ID/{venv,app}   one version, whole if its MANIFEST.json is there, which is written last
TARGET/current                  a link to the version in use, switched at once
TARGET/data, models             what versions share, with settings.env and the program `rag`

A kill at any moment leaves the version in use as it was. The next run removes what was begun and begins anew.
"""
