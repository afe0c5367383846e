package events

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawPosition(t *rapid.T, name string) Position {
	digits := rapid.OneOf(
		rapid.StringMatching(`[0-9]{1,40}`),
		rapid.StringMatching(`[0-9]{1,2}`),
		rapid.SampledFrom([]string{"0", "9", "10", strings.Repeat("9", 40), "1" + strings.Repeat("0", 39)}),
	).Draw(t, name)
	p, err := ParsePosition(digits)
	require.NoError(t, err)
	return p
}

func drawVersion(t *rapid.T, name string) Version {
	v := Version{
		Generation: rapid.OneOf(rapid.Uint32Range(1, 3), rapid.Uint32Range(1, MaxGeneration)).Draw(t, name+" generation"),
		Class:      Class(rapid.Uint8Range(0, 1).Draw(t, name+" class")),
		Rerun:      rapid.OneOf(rapid.Uint16Range(0, 2), rapid.Uint16Range(0, MaxRerun)).Draw(t, name+" rerun"),
	}
	if v.Class == Live {
		v.Position = drawPosition(t, name+" position")
	}
	return v
}

// Byte order of the stored text is the order of versions: the new table's condition relies on it.
func TestVersionStringOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawVersion(t, "a"), drawVersion(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b.Generation, b.Class, b.Position = a.Generation, a.Class, a.Position
		}
		require.Equal(t, a.Compare(b), strings.Compare(a.String(), b.String()), "%s, %s", a, b)
		require.Equal(t, -a.Compare(b), b.Compare(a))
		require.Equal(t, a == b, a.Compare(b) == 0)
	})
}

func TestVersionComparesPartByPart(t *testing.T) {
	at := func(n uint64) Position { return PositionAt(n) }
	ascending := []Version{
		{},
		{Generation: 1},
		{Generation: 1, Rerun: 1},
		{Generation: 1, Rerun: MaxRerun},
		{Generation: 1, Class: Live, Position: at(0)},
		{Generation: 1, Class: Live, Position: at(0), Rerun: 3},
		{Generation: 1, Class: Live, Position: at(9)},
		{Generation: 1, Class: Live, Position: at(10)},
		{Generation: 1, Class: Live, Position: at(1<<64 - 1)},
		{Generation: 1, Class: Live, Position: Position(strings.Repeat("9", 40)), Rerun: MaxRerun},
		{Generation: 2},
		{Generation: 10},
		{Generation: MaxGeneration, Class: Live, Position: at(0)},
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			require.Equal(t, want, a.Compare(b), "%s, %s", a, b)
			require.Equal(t, want, strings.Compare(a.String(), b.String()), "%s, %s", a, b)
		}
	}
}

func TestParseVersionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawVersion(t, "v")
		require.Len(t, v.String(), versionLen)
		got, err := ParseVersion(v.String())
		require.NoError(t, err)
		require.Equal(t, v, got)
	})
}

func TestParseVersionRefuses(t *testing.T) {
	const good = "000001.1.0000000000000000000000000000000000000042.0000"
	_, err := ParseVersion(good)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty":                      "",
		"no generation":              "000000.1.0000000000000000000000000000000000000042.0000",
		"zero version":               Version{}.String(),
		"a class more":               "000001.2.0000000000000000000000000000000000000042.0000",
		"a snapshot with a position": "000001.0.0000000000000000000000000000000000000042.0000",
		"short":                      good[:len(good)-1],
		"long":                       good + "0",
		"a sign":                     "+00001.1.0000000000000000000000000000000000000042.0000",
		"a minus":                    "000001.1.-000000000000000000000000000000000000042.0000",
		"a space":                    " 00001.1.0000000000000000000000000000000000000042.0000",
		"a letter":                   "000001.1.000000000000000000000000000000000000004x.0000",
		"another dot":                "000001,1.0000000000000000000000000000000000000042.0000",
		"a dot in a number":          "000.01.1.00000000000000000000000000000000000000420000",
		"hex rerun":                  "000001.1.0000000000000000000000000000000000000042.000a",
		"other digits":               "00001１.1.00000000000000000000000000000000000042.0000",
	} {
		_, err := ParseVersion(text)
		require.Error(t, err, name)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add(Version{Generation: 1}.String())
	f.Add(Version{Generation: 7, Class: Live, Position: PositionAt(42), Rerun: 3}.String())
	f.Add("000001.1.+000000000000000000000000000000000000042.0000")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if err != nil {
			require.Zero(t, v)
			return // refused
		}
		require.Equal(t, text, v.String())
		require.Equal(t, v.Class == Snapshot, v.Position == "")
	})
}

func TestParsePosition(t *testing.T) {
	for _, digits := range []string{"", " ", "-1", "+1", "1.0", "1e3", "x", "１", strings.Repeat("1", 41), "1\n"} {
		_, err := ParsePosition(digits)
		require.Error(t, err, "%q", digits)
	}
	p, err := ParsePosition("000")
	require.NoError(t, err)
	require.Equal(t, "0", p.Number())
	require.Equal(t, PositionAt(0), p)
	require.Equal(t, "", Position("").Number())
	require.Less(t, Position(""), PositionAt(0))
	require.Equal(t, "18446744073709551615", PositionAt(1<<64-1).Number())
}

func TestPositionOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPosition(t, "a"), drawPosition(t, "b")
		numA, _ := new(big.Int).SetString(a.Number(), 10)
		numB, _ := new(big.Int).SetString(b.Number(), 10)
		require.Equal(t, numA.Cmp(numB), strings.Compare(string(a), string(b)))
		again, err := ParsePosition(a.Number())
		require.NoError(t, err)
		require.Equal(t, a, again)
		n := rapid.Uint64().Draw(t, "n")
		same, err := ParsePosition(fmt.Sprint(n))
		require.NoError(t, err)
		require.Equal(t, PositionAt(n), same)
	})
}

func ExampleVersion_Compare() {
	read := Version{Generation: 1, Class: Snapshot}
	change := Version{Generation: 1, Class: Live, Position: PositionAt(42)}
	fmt.Println(change)
	fmt.Println(read.Compare(change), read.String() < change.String())
	// Output:
	// 000001.1.0000000000000000000000000000000000000042.0000
	// -1 true
}
