"""What stands around Gradio: the guard and its limits, addresses,
headers, uploads. Knows no tab.
"""
