// Package faults has only tests. They run a whole site as separate processes, send it a load, break
// its parts, and compare the failures with budgets.
package faults
