package demo

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

var _ Rows = AllTypes{}

// AllTypes are rows with an attribute of every type, and of every kind that copies have damaged: numbers of 38 digits
// and with exponents, empty strings and binaries, sets, nested and empty containers, names that need quoting.
type AllTypes struct {
	Seed  uint64
	Count int
}

// Len implements Rows.
func (a AllTypes) Len() int { return a.Count }

// Key implements Rows.
func (a AllTypes) Key(i int) string { return fmt.Sprintf(`{"id":{"S":"row-%07d"}}`, i) }

// words are JSON strings, without their quotes.
var words = [...]string{"Ελλάδα", "日本", "Zürich", "naïve", "🚲 fahren", `a \"quoted\" word`, "", `tab\tand\nline`}

// Item implements Rows.
func (a AllTypes) Item(i int, change uint64) []byte {
	d := draw{rand.New(rand.NewPCG(a.Seed^uint64(i)<<20, change))}
	return fmt.Appendf(nil, `{"id":{"S":"row-%07d"},"change":{"N":"%d"},"text":{"S":"%s"},`+
		`"precise":{"N":"%s"},"small":{"N":"-0.%s"},"tiny":{"N":"%sE-%d"},"blob":{"B":"%s"},"empty":{"S":""},"none":{"B":""},`+
		`"yes":{"BOOL":%t},"null":{"NULL":true},"tags":{"SS":["b%d","a%d"]},"sizes":{"NS":["%d.5","%d"]},"keys":{"BS":["%s","%s"]},`+
		`"nested":{"M":{"list":{"L":[{"N":"%d"},{"S":"%s"},{"M":{}},{"L":[]},{"BOOL":false}]},"name.with.dots":{"S":"%s"}}},`+
		`"🚲":{"S":"emoji"},"it's \"quoted\".#1":{"S":"%s"},"size":{"N":"%d"}}`,
		i, change, d.word(),
		d.digits(38), d.digits(20), d.digits(7), 90+d.IntN(30), d.binary(24+d.IntN(60)),
		d.IntN(2) == 0, d.IntN(100), d.IntN(100), 1000+d.IntN(1000), d.IntN(1000), d.binary(4), d.binary(5),
		d.IntN(1_000_000), d.word(), d.word(), d.word(), d.IntN(1000))
}

// draw draws values as their JSON text.
type draw struct{ *rand.Rand }

func (d draw) word() string { return words[d.IntN(len(words))] }

// digits is n digits without a zero at either end, which DynamoDB would cut.
func (d draw) digits(n int) string {
	var b strings.Builder
	b.WriteByte('1' + byte(d.IntN(9)))
	for range n - 2 {
		b.WriteByte('0' + byte(d.IntN(10)))
	}
	b.WriteByte('1' + byte(d.IntN(9)))
	return b.String()
}

func (d draw) binary(n int) string {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(d.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}
