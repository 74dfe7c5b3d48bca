"""Submit and watch jobs: what the page, the command line and scripts call, and the loop that
carries jobs to their ends.
"""
