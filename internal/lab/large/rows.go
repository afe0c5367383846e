package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/crossfadedb/crossfade/internal/demo"
)

var _ demo.Rows = kilobytes{}

// kilobytes are rows of about 1 KB, most of it text that compresses about as well as text does.
type kilobytes struct{ count int }

const (
	kilobyte = 1024
	keyForm  = `{"id":{"S":"row-%010d"}`
)

// Len implements demo.Rows.
func (k kilobytes) Len() int { return k.count }

// Key implements demo.Rows.
func (k kilobytes) Key(i int) string { return fmt.Sprintf(keyForm+`}`, i) }

var words = strings.Fields("order customer street city country phone email invoice payment delivery weight colour price remark")

// Item implements demo.Rows.
func (k kilobytes) Item(i int, change uint64) []byte {
	r := rand.New(rand.NewPCG(uint64(i), change))
	b := fmt.Appendf(make([]byte, 0, kilobyte+64), keyForm+`,"change":{"N":"%d"},"price":{"N":"%d.%02d"},"paid":{"BOOL":%t},"text":{"S":"`,
		i, change, r.IntN(10_000), r.IntN(100), r.IntN(2) == 0)
	for len(b) < kilobyte {
		b = fmt.Appendf(append(b, words[r.IntN(len(words))]...), " %x ", r.Uint32())
	}
	return append(b, `"}}`...)
}

// smallItem is row i of a backlog: the worst case for memory, since what is kept beside each record's bytes weighs most.
func smallItem(i int) []byte { return fmt.Appendf(nil, keyForm+`,"n":{"N":"%d"}}`, i, i) }
