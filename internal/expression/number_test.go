package expression

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// numbers draws decimals within DynamoDB's limits, as text.
func numbers() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		digits := rapid.StringMatching(`[0-9]{1,38}`).Draw(t, "digits")
		point := rapid.IntRange(0, len(digits)).Draw(t, "point")
		exponent := rapid.SampledFrom([]string{"", "e0", "e5", "E-20", "e+60", "e-80"}).Draw(t, "exponent")
		return rapid.SampledFrom([]string{"", "-", "+"}).Draw(t, "sign") + digits[:point] + "." + digits[point:] + exponent
	})
}

func rational(t require.TestingT, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	require.True(t, ok, text)
	return r
}

// TestNumberModel compares with big.Rat: the order, the text, and the order of the sort keys.
func TestNumberModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers().Draw(t, "a"), numbers().Draw(t, "b")
		n, err := ParseNumber(a)
		require.NoError(t, err)
		m, err := ParseNumber(b)
		require.NoError(t, err)
		order := rational(t, a).Cmp(rational(t, b))
		require.Equal(t, order, n.Compare(m), "%s %s", a, b)
		require.Equal(t, order, bytes.Compare(n.SortKey(nil), m.SortKey(nil)), "sort keys of %s %s", a, b)
		require.Zero(t, rational(t, a).Cmp(rational(t, n.String())), "%s is not %s", a, n)
		again, err := ParseNumber(n.String())
		require.NoError(t, err)
		require.Equal(t, n, again)

		sum := new(big.Rat).Add(rational(t, a), rational(t, b))
		if got, err := n.Add(m); err == nil {
			require.Zero(t, sum.Cmp(rational(t, got.String())), "%s + %s is not %s", a, b, got)
		} else {
			require.ErrorContains(t, err, "Number overflow")
		}
		if got, err := n.Subtract(m); err == nil {
			require.Zero(t, new(big.Rat).Sub(rational(t, a), rational(t, b)).Cmp(rational(t, got.String())), "%s - %s is not %s", a, b, got)
		}
	})
}

func TestNumberLimits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"9.9999999999999999999999999999999999999e125":  "",
		"-9.9999999999999999999999999999999999999e125": "",
		"1e-130":                       "",
		"1e126":                        "Number overflow",
		"-1e126":                       "Number overflow",
		"1e-131":                       "Number underflow",
		"0e999":                        "",
		strings.Repeat("9", 38):        "",
		strings.Repeat("9", 39):        "38 significant digits",
		"1" + strings.Repeat("0", 100): "",
		"1e":                           "numeric value", "e1": "numeric value", ".": "numeric value", "-": "numeric value", "1_0": "numeric value", "0x1": "numeric value", "1.2.3": "numeric value",
	} {
		_, err := ParseNumber(text)
		if want == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, want, text)
		}
	}
}
