"""Tests of the Kubernetes lab."""
