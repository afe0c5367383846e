package wire

import "fmt"

// Marker is what a record of a control batch says.
// https://kafka.apache.org/documentation/#controlbatch
type Marker int16

// The ends of a transaction. There are others, of the brokers among themselves.
const (
	Abort  Marker = 0
	Commit Marker = 1
)

// MarkerOf reads the key of a record of a control batch.
func MarkerOf(key []byte) (Marker, error) {
	c := Cutter{Text: key}
	c.Skip(2) // version
	m := Marker(c.Int16())
	if c.err != nil {
		return 0, fmt.Errorf("a control record with a key of %d bytes", len(key))
	}
	return m, nil
}
