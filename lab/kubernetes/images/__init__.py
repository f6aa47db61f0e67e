"""The images of the cluster, made of what is on this machine: no registry and no container engine is asked."""
