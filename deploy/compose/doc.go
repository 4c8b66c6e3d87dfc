// Package compose has no code: its tests hold docker-compose.yml, the images that it builds
// and the files here to what they promise, and run all of it without a container engine: each
// container by runc, the runtime of the Open Container Initiative, with its own root, network,
// user, limits and system calls, and with the command and the environment that the file says.
package compose
