// Package faults has no code: its tests run a whole site as separate processes, send it a
// load, do it harm, and hold what happens then to budgets.
package faults
