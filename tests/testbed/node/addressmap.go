package node

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The API refuses loopback addresses as endpoints of a Service, and pods here
// have nothing else. So the API is shown 10.244.k.x for what the kubelet knows
// as 127.244.k.x, and this transport translates between the two in the
// kubelet's own requests. Both directions, watches included, or else the
// kubelet would find its status different from the API's and patch for ever.
type addressMap struct {
	next   http.RoundTripper
	inside string // "127.244.7."
	shown  string // "10.244.7."
}

// RoundTrip rewrites the JSON of pod requests, and the text of events, whose
// probe failures name the address that was dialled.
func (a addressMap) RoundTrip(request *http.Request) (*http.Response, error) {
	pods := isPods(request.URL.Path)
	switch {
	case pods:
		if err := a.rewriteRequest(request, `"`); err != nil {
			return nil, err
		}
	case strings.Contains(request.URL.Path, "/events"):
		if err := a.rewriteRequest(request, ""); err != nil {
			return nil, err
		}
	}
	response, err := a.next.RoundTrip(request)
	if err != nil || !pods {
		return response, err
	}
	response.Body = newReplacingReader(response.Body, `"`+a.shown, `"`+a.inside)
	response.ContentLength = -1
	response.Header.Del("Content-Length")
	return response, nil
}

func (a addressMap) rewriteRequest(request *http.Request, before string) error {
	if request.Body == nil {
		return nil
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	_ = request.Body.Close()
	body = bytes.ReplaceAll(body, []byte(before+a.inside), []byte(before+a.shown))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	request.Body, _ = request.GetBody()
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func isPods(path string) bool {
	return strings.HasSuffix(path, "/pods") || strings.Contains(path, "/pods/")
}

// replacingReader replaces a string in a stream as it passes. A watch must not
// be held up, so only what could be the start of a match is kept back.
type replacingReader struct {
	source    io.ReadCloser
	old, new  []byte
	ready     []byte // rewritten, not yet delivered
	undecided []byte // a prefix of old at the end of what was read
	err       error
}

func newReplacingReader(source io.ReadCloser, before, after string) *replacingReader {
	return &replacingReader{source: source, old: []byte(before), new: []byte(after)}
}

func (r *replacingReader) Read(into []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		chunk := make([]byte, 32*1024)
		n, err := r.source.Read(chunk)
		text := append(r.undecided, chunk[:n]...)
		keep := 0
		if err == nil {
			keep = partialMatch(text, r.old)
		}
		r.undecided = append([]byte(nil), text[len(text)-keep:]...)
		r.ready = bytes.ReplaceAll(text[:len(text)-keep], r.old, r.new)
		r.err = err
	}
	n := copy(into, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

func (r *replacingReader) Close() error { return r.source.Close() }

// partialMatch is the length of the longest end of text that begins pattern.
func partialMatch(text, pattern []byte) int {
	for length := min(len(pattern)-1, len(text)); length > 0; length-- {
		if bytes.HasSuffix(text, pattern[:length]) {
			return length
		}
	}
	return 0
}
