"""What we conclude: scores, reasons, outcomes.

In: feature vectors and facts. Out: decisions, model artifacts.
Never: state, a network, an import of streams or review.
"""
