"""Videos from pictures and references with Alibaba's hosted Wan 2.6 models.

Importing the package costs nothing: gradio and dashscope are loaded by the modules that need them,
when they are asked for.
"""
