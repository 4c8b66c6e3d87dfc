// Package compose has only tests. They check docker-compose.yml, the images that it builds and the
// files in this folder, and run all of it without a container engine. runc, the runtime of the Open
// Container Initiative, runs each container with its own root, network, user, limits and system
// calls, and with the command and environment in the file.
package compose
