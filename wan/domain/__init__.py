"""What the product is about, without input and output: models and prices, requests, jobs, reviews,
errors and what is said to people.
"""
