package demo

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := newDisplay(&out)
		d.say("hello %d", 1)
		for range 70 { // seven seconds
			d.show(gauge{"rows", 1200, 50_000}, gauge{"records", 3, 4})
			time.Sleep(100 * time.Millisecond)
		}
		d.end()
		d.say("done")
		require.Equal(t, strings.Join([]string{
			"  0.0s  hello 1",
			"  0.0s    rows 1,200 of 50,000, records 3 of 4",
			"  3.0s    rows 1,200 of 50,000, records 3 of 4",
			"  6.0s    rows 1,200 of 50,000, records 3 of 4",
			"  7.0s  done",
			"",
		}, "\n"), out.String())
	})
}

func TestFilesAreNoTerminals(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer f.Close()
	require.IsType(t, &lines{}, newDisplay(f))
}

func TestBarsComeAndGo(t *testing.T) {
	var out bytes.Buffer
	b := &bars{lines: &lines{out: &out, began: time.Now()}}
	b.end() // before there are any
	b.say("before")
	for i := range 3 {
		b.show(gauge{"rows", int64(i), 2}, gauge{"records", 5, 4}) // more done than was known of
		b.say("meanwhile")
	}
	b.end()
	b.say("between")
	b.show(gauge{"others", 0, 0})
	b.end()
	b.say("after")
	for _, text := range []string{"before", "meanwhile", "between", "after"} {
		require.Contains(t, out.String(), text)
	}
	require.Equal(t, 3, strings.Count(out.String(), "meanwhile"))
}

func TestCount(t *testing.T) {
	for n, text := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 123_456: "123,456", 1_234_567: "1,234,567"} {
		require.Equal(t, text, count(n))
	}
}
