"""Any number of CTs, assessed by several processes of one machine or by a Dask cluster.

Data flows one way: `table` reads what the cases are, `locks` and `case` see to one case in one folder,
`case_process` has that done by a process that may die, `local` and `dask_cluster` have many of these, and `run` gives
them all the cases and writes, with `outcome` and `summary`, what came of them.
"""
