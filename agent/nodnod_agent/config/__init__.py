"""The settings of an agent: what there is to set, and what each value must be."""
