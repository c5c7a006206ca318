"""Other ends to test against: faithful, small, and steered by the test."""
