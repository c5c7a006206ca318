"""The tests of the judge, and the clients that watch real agents for it while something is wrong."""
