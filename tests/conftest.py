from hypothesis import settings

# A busy machine must not fail a test, and a failure must come again.
settings.register_profile("cvd3d", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("cvd3d")
