package lease

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
)

// ErrNotSpoken reports a daemon that speaks only PoolCounter's protocol.
var ErrNotSpoken = errors.New("the daemon speaks only PoolCounter's protocol")

// Greet does the client's part of the handshake. The caller sets the connection's deadline. With a
// secret, the daemon must prove that it knows the secret too: otherwise any daemon could grant leases.
func Greet(conn net.Conn, in *bufio.Reader, name, secret string) error {
	nonce := Nonce()
	if _, err := fmt.Fprintf(conn, "%s %s %s\n", Greeting, name, nonce); err != nil {
		return err
	}
	words, err := readWords(in)
	switch {
	case err != nil:
		return err
	case words[0] == "ERROR":
		return ErrNotSpoken
	case len(words) != 3 || words[0] != Greeting:
		return fmt.Errorf("the coordinator's greeting %.80q is unknown: check that coordinator.servers names a coordinator", words)
	case secret != "" && !Proves(words[2], Prove(secret, "coordinator", name, nonce, words[1])):
		return errors.New("the coordinator does not know coordinator.secret: set the same secret on both sides")
	}
	if _, err := fmt.Fprintf(conn, "%s %s\n", Proof, Prove(secret, "client", name, nonce, words[1])); err != nil {
		return err
	}
	if words, err = readWords(in); err != nil {
		return err
	}
	if answer := strings.Join(words, " "); answer != Welcome {
		return fmt.Errorf("the coordinator refused the proof (%.80s): set the same coordinator.secret on both sides", answer)
	}
	return nil
}

// Admit does the coordinator's part of the handshake, and returns the client's name.
func Admit(conn net.Conn, in *bufio.Reader, secret string) (name string, err error) {
	words, err := readWords(in)
	if err != nil {
		return "", err
	}
	if len(words) != 3 || !ValidName(words[1]) || len(words[2]) != len(Nonce()) {
		return "", errors.New("the client's greeting is malformed")
	}
	name, nonce := words[1], Nonce()
	proof := Prove(secret, "coordinator", name, words[2], nonce)
	if _, err := fmt.Fprintf(conn, "%s %s %s\n", Greeting, nonce, proof); err != nil {
		return "", err
	}
	answer, err := readWords(in)
	if err != nil {
		return "", err
	}
	want := Prove(secret, "client", name, words[2], nonce)
	if len(answer) != 2 || answer[0] != Proof || secret != "" && !Proves(answer[1], want) {
		_, _ = fmt.Fprintln(conn, BadProof)
		return "", fmt.Errorf("%s does not know coordinator.secret: set the same secret on both sides", name)
	}
	_, err = fmt.Fprintln(conn, Welcome)
	return name, err
}

// readWords returns the words of a line, at least one. The line must fit into the reader's buffer.
func readWords(in *bufio.Reader) ([]string, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return nil, errors.New("the handshake has an empty line")
	}
	return words, nil
}
