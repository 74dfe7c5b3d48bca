"""The ASGI layer around Gradio: guard, limits, addresses, headers, uploads. Knows no tab."""
