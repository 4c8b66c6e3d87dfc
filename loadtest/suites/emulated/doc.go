// Package emulated has only tests. They run the Debian package and the Docker image on an emulated machine with Debian 13's
// own kernel, which has control groups of version 2 and AppArmor. The machine of the tests may lack both.
package emulated
