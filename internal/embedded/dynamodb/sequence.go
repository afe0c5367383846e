package dynamodb

import (
	"math/big"
	"sync/atomic"
)

// sequence gives out the sequence numbers of all streams. Inside the package they are counted from 1.
type sequence struct {
	base *big.Int
	last *atomic.Uint64
}

func newSequence(first string) sequence {
	base, ok := new(big.Int).SetString(first, 10)
	if !ok || base.Sign() < 0 {
		panic("dynamodb: FirstSequence is no decimal number: " + first)
	}
	return sequence{base, &atomic.Uint64{}}
}

func (s sequence) next() uint64 { return s.last.Add(1) }

func (s sequence) text(n uint64) string {
	i := new(big.Int).SetUint64(n)
	return i.Add(i, s.base).String()
}

// parse is false for a text that is no sequence number of this server's range.
func (s sequence) parse(text string) (uint64, bool) {
	i, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return 0, false
	}
	i.Sub(i, s.base)
	return i.Uint64(), i.IsUint64()
}
