"""Configurations of the commands that run networks, one module a command. None loads PyTorch: `--help` and a wrong path
take no seconds."""
