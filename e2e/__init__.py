"""End-to-end harness: a cluster, messaging servers, and the tests that need them."""
