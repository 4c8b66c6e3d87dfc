// Package docker has only tests. They run docker-compose.yml on a Docker engine of their own, send the
// site a load, break its containers, and compare the failures with budgets.
package docker
