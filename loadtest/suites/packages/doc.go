// Package packages has only tests. They install the Debian packages on two machines with systemd, Debian
// 12 and 13, send their site a load, and break, upgrade and roll back its services.
package packages
