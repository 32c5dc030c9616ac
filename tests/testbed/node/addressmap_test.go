package node

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAddressIsReplacedWhereverAChunkEnds(t *testing.T) {
	const sent = `{"podIP":"10.244.7.12","note":"10.244.77.1","podIPs":[{"ip":"10.244.7.12"}]}"10.244.`
	const want = `{"podIP":"127.244.7.12","note":"10.244.77.1","podIPs":[{"ip":"127.244.7.12"}]}"10.244.`
	source := io.NopCloser(iotest.OneByteReader(strings.NewReader(sent)))
	got, err := io.ReadAll(newReplacingReader(source, `"10.244.7.`, `"127.244.7.`))
	if err != nil || string(got) != want {
		t.Fatalf("got %s, %v", got, err)
	}
}

func TestOnlyThePossibleStartOfAMatchIsHeldBack(t *testing.T) {
	for text, want := range map[string]int{`abc`: 0, `abc"`: 1, `abc"10.2`: 5, `"10.244.7`: 9, `"11`: 0} {
		if got := partialMatch([]byte(text), []byte(`"10.244.7.`)); got != want {
			t.Errorf("%q: held back %d bytes, want %d", text, got, want)
		}
	}
}
