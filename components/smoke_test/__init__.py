"""Loads an exported model the way a server does, and asks it what clients ask, before it is pushed."""
