package front

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// head reads plain heads into one request, again and again. http.ReadRequest makes a request, a map and a string for each
// field anew, which is a fifth of a hit's processor time, and garbage.
type head struct {
	request http.Request
	fields  http.Header
	values  []string // memory for the values of fields
}

// usualFields is the number of fields of a browser's request, about.
const usualFields = 24

func newHead() *head {
	return &head{fields: make(http.Header, usualFields), values: make([]string, 0, usualFields)}
}

// read returns the request of a plain head, as http.ReadRequest returns it; or nil for a request that the server must
// read: each head that http.ReadRequest would refuse, and a few that it accepts. The request lasts until the next read.
func (h *head) read(plain []byte) *http.Request {
	line, rest, _ := strings.Cut(string(plain), "\r\n")
	method, target, _ := strings.Cut(line, " ")
	uri, protocol, _ := strings.Cut(target, " ")
	at, err := url.ParseRequestURI(uri)
	if err != nil || protocol != "HTTP/1.1" || !h.readFields(rest) {
		return nil
	}
	hosts := h.fields["Host"]
	if len(hosts) != 1 || at.Host != "" || !plainHost(hosts[0]) || !plainConnection(h.fields) {
		return nil
	}
	delete(h.fields, "Host")
	h.request = http.Request{
		Method: method, URL: at, Proto: protocol, ProtoMajor: 1, ProtoMinor: 1, Header: h.fields, Body: http.NoBody, Host: hosts[0], RequestURI: uri,
	}
	return &h.request
}

// readFields reads the lines after the first one.
func (h *head) readFields(rest string) (ok bool) {
	clear(h.fields)
	h.values = h.values[:0]
	for rest != "\r\n" {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, isField := strings.Cut(line, ":")
		if !isField || !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		h.add(textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " "))
	}
	return true
}

func (h *head) add(name, value string) {
	if values, again := h.fields[name]; again {
		h.fields[name] = append(values, value)
		return
	}
	h.values = append(h.values, value)
	last := len(h.values)
	h.fields[name] = h.values[last-1 : last : last]
}

// plainHost reports whether a Host header surely passes the server's check.
func plainHost(host string) bool {
	return host != "" && strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") == ""
}

// plainConnection reports whether a request's fields surely keep the connection open, and mean the same to
// http.ReadRequest as they say.
func plainConnection(fields http.Header) bool {
	for _, value := range fields["Connection"] {
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	}
	return fields["Pragma"] == nil || fields["Cache-Control"] != nil // else http.ReadRequest adds Cache-Control
}
