package events

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Class tells a snapshot read from a live change. A snapshot read never beats a change.
type Class uint8

// The two classes, in their order.
const (
	Snapshot Class = 0
	Live     Class = 1
)

// positionWidth is the most digits that a DynamoDB stream sequence number has.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
const positionWidth = 40

// Position is a place in the source's own order: 40 digits, so that byte order is numeric order; or empty,
// before all of them.
type Position string

// ParsePosition reads a number of up to 40 decimal digits, such as a stream sequence number.
func ParsePosition(digits string) (Position, error) {
	if digits == "" || len(digits) > positionWidth || strings.Trim(digits, "0123456789") != "" {
		return "", fmt.Errorf("position %q is not a number of 1 to %d digits", digits, positionWidth)
	}
	return zeros[:positionWidth-len(digits)] + Position(digits), nil
}

// PositionAt is the position of a Kafka offset or of any other unsigned integer.
func PositionAt(n uint64) Position {
	if n == 0 {
		return zeros
	}
	var text [positionWidth]byte
	return Position(appendPadded(text[:0], n, positionWidth))
}

// zeros is the position 0.
const zeros Position = "0000000000000000000000000000000000000000"

// appendPadded appends n in decimal, with zeros before it up to a width of at most 40.
func appendPadded(b []byte, n uint64, width int) []byte {
	var text [20]byte // what the largest takes
	digits := strconv.AppendUint(text[:0], n, 10)
	b = append(b, zeros[:max(0, width-len(digits))]...)
	return append(b, digits...)
}

// Number is the position without leading zeros, as the source wrote it; empty for the empty position.
func (p Position) Number() string {
	if p == "" {
		return ""
	}
	return cmp.Or(strings.TrimLeft(string(p), "0"), "0")
}

// Version is where an event stands in the order of its key: generation, class, position, rerun, compared in
// that order. The zero Version is no version.
type Version struct {
	Generation uint32   // from 1, at most 999999
	Class      Class    //
	Position   Position // empty exactly for the class Snapshot
	Rerun      uint16   // at most 9999
}

// The most that fits the fixed widths of a version's text.
const (
	MaxGeneration = 999_999
	MaxRerun      = 9_999
)

const versionLen = 6 + 1 + 1 + 1 + positionWidth + 1 + 4

// Compare is negative, 0 or positive as v is before, equal to or after o.
func (v Version) Compare(o Version) int {
	return cmp.Or(
		cmp.Compare(v.Generation, o.Generation),
		cmp.Compare(v.Class, o.Class),
		cmp.Compare(v.Position, o.Position),
		cmp.Compare(v.Rerun, o.Rerun),
	)
}

// String is the stored form: 54 characters whose byte order is the order of the versions, such as
// 000001.1.0000000000000000000000000000000000000042.0000.
func (v Version) String() string {
	var text [versionLen]byte
	return string(v.Append(text[:0]))
}

// Append appends what String returns.
func (v Version) Append(b []byte) []byte {
	b = append(appendPadded(b, uint64(v.Generation), 6), '.')
	b = append(appendPadded(b, uint64(v.Class), 1), '.')
	b = append(append(b, cmp.Or(v.Position, zeros)...), '.')
	return appendPadded(b, uint64(v.Rerun), 4)
}

// ParseVersion reads what String wrote, and nothing else.
func ParseVersion(text string) (Version, error) { return parseVersion([]byte(text)) }

func parseVersion(text []byte) (Version, error) {
	bad := func() (Version, error) { return Version{}, errors.New("not a version: " + strconv.Quote(string(text))) }
	if len(text) != versionLen || text[6] != '.' || text[8] != '.' || text[49] != '.' {
		return bad()
	}
	generation, ok1 := fixedDigits(text[:6])
	class, ok2 := fixedDigits(text[7:8])
	_, ok3 := fixedDigits(text[9:49])
	rerun, ok4 := fixedDigits(text[50:])
	if !ok1 || !ok2 || !ok3 || !ok4 || generation == 0 || class > 1 {
		return bad()
	}
	v := Version{Generation: generation, Class: Class(class), Rerun: uint16(rerun)}
	switch position := text[9:49]; {
	case v.Class == Live:
		v.Position = Position(position)
	case string(position) != string(zeros):
		return bad()
	}
	return v, nil
}

// fixedDigits reports whether the text has nothing but digits; n is their number if they are at most nine.
func fixedDigits(text []byte) (n uint32, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint32(c-'0')
	}
	return n, true
}
