"""Any number of CTs, assessed by several processes of one machine or by a Dask cluster.

Data flows one way: `table` reads what the cases are, `claims` and `case` see to one case in one folder,
`attendant` has that done by a process that may die, `local` and `cluster` have many of these, and `run` gives them all
the cases and writes, with `outcome` and `summary`, what came of them.
"""
