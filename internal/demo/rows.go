package demo

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// AllTypes are rows with an attribute of every type, and of every kind that copies have damaged: numbers of 38
// digits, empty strings and binaries, sets, nested values, names that need quoting.
type AllTypes struct {
	Seed  uint64
	Count int
}

// Len implements Rows.
func (a AllTypes) Len() int { return a.Count }

// Key implements Rows.
func (a AllTypes) Key(i int) string { return fmt.Sprintf(`{"id":{"S":"row-%07d"}}`, i) }

// Item implements Rows.
func (a AllTypes) Item(i int, change uint64) []byte {
	r := rand.New(rand.NewPCG(a.Seed^uint64(i), change+1))
	digits := func(n int) string {
		var b strings.Builder
		b.WriteByte('1' + byte(r.IntN(9)))
		for range n - 2 {
			b.WriteByte('0' + byte(r.IntN(10)))
		}
		b.WriteByte('1' + byte(r.IntN(9))) // no zero at the end, which DynamoDB would cut
		return b.String()
	}
	binary := func(n int) string {
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	words := [...]string{"Ελλάδα", "日本", "Zürich", "naïve", "🚲 fahren", "a \\\"quoted\\\" word", "", "tab\\tand\\nline"}
	word := func() string { return words[r.IntN(len(words))] }
	return fmt.Appendf(nil, `{"id":{"S":"row-%07d"},"change":{"N":"%d"},"text":{"S":"%s"},"precise":{"N":"%s"},"small":{"N":"-0.%s"},`+
		`"blob":{"B":"%s"},"empty":{"S":""},"none":{"B":""},"yes":{"BOOL":%t},"null":{"NULL":true},`+
		`"tags":{"SS":["a%d","b%d"]},"sizes":{"NS":["%d","%d.5"]},"keys":{"BS":["%s","%s"]},`+
		`"nested":{"M":{"list":{"L":[{"N":"%d"},{"S":"%s"},{"M":{}},{"L":[]},{"BOOL":false}]},"name":{"S":"%s"}}},`+
		`"🚲":{"S":"emoji"},"it's \"quoted\".#1":{"S":"%s"},"size":{"N":"%d"}}`,
		i, change, word(), digits(38), digits(20), binary(24+r.IntN(60)), r.IntN(2) == 0,
		r.IntN(100), 100+r.IntN(100), r.IntN(1000), 1000+r.IntN(1000), binary(4), binary(5),
		r.IntN(1_000_000), word(), word(), word(), r.IntN(1000))
}
