"""Endpoints for programs: over HTTP, by `gradio_client` and by MCP."""
