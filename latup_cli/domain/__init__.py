"""The things that flow: grids, volumes, studies, models, segmentations, reports. Numpy only."""
