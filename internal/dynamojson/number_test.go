package dynamojson

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

func TestCanonicalNumber(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "+0": "0", "0.000": "0", "-0e7": "0", "0E-130": "0", "00": "0",
		"1": "1", "1.0": "1", "1e0": "1", "+01.00": "1", "10e-1": "1", "0.1e1": "1", "1E+0": "1", "1.": "1",
		"-1": "-1", "-1.50": "-1.5", ".5": "0.5", "100": "100", "1e2": "100", "0.001": "0.001", "1e-3": "0.001",
		"12345678901234567890123456789012345678":    "12345678901234567890123456789012345678",
		"-12345678901234567890.123456789012345678":  "-12345678901234567890.123456789012345678",
		"0.00000000000000000000000000000000000001":  "0.00000000000000000000000000000000000001",
		"0.000000000000000000000000000000000000001": "1E-39",
		"1e37":                         "1" + strings.Repeat("0", 37),
		"1e38":                         "1E38",
		"1" + strings.Repeat("0", 125): "1E125",
		"9.9999999999999999999999999999999999999E+125":  "99999999999999999999999999999999999999E88",
		"-9.9999999999999999999999999999999999999E+125": "-99999999999999999999999999999999999999E88",
		"1E-130":                              "1E-130",
		"-1E-130":                             "-1E-130",
		"0." + strings.Repeat("0", 129) + "1": "1E-130",
		"1" + strings.Repeat("0", 38) + "." + strings.Repeat("0", 9): "1E38",
	} {
		got, err := CanonicalNumber(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestCanonicalNumberRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "-", "+", ".", "e", "e5", "-.e1", "1e", "1e+", "1 ", " 1", "1,0", "0x10", "1_000", "1e1_0", "NaN", "Infinity", "-inf",
		"--1", "+-1", "-+1", "1.2.3", "1e5e5", "1e5.0", "１", "1\x00", "1E126", "10E125", "1E-131", "0.1E-130", "1e99999", "1e-99999",
		"1e99999999999999999999", "123456789012345678901234567890123456789", "1.23456789012345678901234567890123456789",
	} {
		got, err := CanonicalNumber(text)
		require.Error(t, err, "%q became %q", text, got)
	}
}

// The canonical text keeps the value, is its own canonical text, and is shared by every spelling.
func TestCanonicalNumberKeepsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := eventstest.DrawSpelling(t, "digits")
		got, err := CanonicalNumber(s.Text)
		require.NoError(t, err, s.Text)
		value, ok := new(big.Rat).SetString(got)
		require.True(t, ok, got)
		require.Zero(t, value.Cmp(s.Value), "%s became %s", s.Text, got)
		again, err := CanonicalNumber(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func TestCanonicalNumberIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{0,37}`).Draw(t, "digits")
		top := rapid.IntRange(minExponent, maxExponent).Draw(t, "top")
		a, err := CanonicalNumber(eventstest.Spellings(t, "", digits, top-len(digits)+1))
		require.NoError(t, err)
		b, err := CanonicalNumber(eventstest.Spellings(t, "", digits, top-len(digits)+1))
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}

// Two numbers have one text exactly if they are equal.
func TestCanonicalNumberTellsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := eventstest.DrawSpelling(t, "a"), eventstest.DrawSpelling(t, "b")
		textA, err := CanonicalNumber(a.Text)
		require.NoError(t, err)
		textB, err := CanonicalNumber(b.Text)
		require.NoError(t, err)
		require.Equal(t, a.Value.Cmp(b.Value) == 0, textA == textB, "%s and %s", a.Text, b.Text)
	})
}

func FuzzCanonicalNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.50", "1e2", "+.5e-3", "1E-130", "9.9e125", "e", "--1", "1e5e5", "0e-9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := CanonicalNumber(text)
		if err != nil {
			return // refused
		}
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok, "%q is no number to math/big", text)
		value, ok := new(big.Rat).SetString(got)
		require.True(t, ok, got)
		require.Zero(t, value.Cmp(want))
		again, err := CanonicalNumber(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
