"""What touches the world: sockets, disks, clocks. Siblings here do not lean on each other."""
