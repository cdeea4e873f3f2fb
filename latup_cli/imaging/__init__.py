"""Files and toolkits: nibabel and SimpleITK meet the domain here, and nowhere else."""
