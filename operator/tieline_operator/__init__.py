"""The control plane: Kubernetes objects in, snapshots and status out."""
