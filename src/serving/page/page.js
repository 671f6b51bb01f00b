// The script of the workbench.
