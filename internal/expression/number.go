package expression

import (
	"cmp"
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// DynamoDB's limits of a number.
const (
	maxDigits   = 38
	maxExponent = 126  // of 0.digits × 10^exponent: 9.99…e+125
	minExponent = -129 // 1e-130

	farExponent = 1_000_000 // stands for every exponent beyond it: no number has it
)

// Number is an exact decimal: ±0.digits × 10^exponent, digits without outer zeros. The zero Number is 0.
type Number struct {
	negative bool
	digits   string
	exponent int
}

// ParseNumber reads a decimal with an optional sign, fraction and exponent, within DynamoDB's limits.
func ParseNumber(text string) (Number, error) {
	n, ok := scanNumber(text)
	if !ok {
		if text == "" {
			return Number{}, invalidf("The parameter cannot be converted to a numeric value")
		}
		return Number{}, invalidf("The parameter cannot be converted to a numeric value: %s", text)
	}
	return n, n.check()
}

func (n Number) check() error {
	switch {
	case n.digits == "":
		return nil
	case len(n.digits) > maxDigits:
		return invalidf("Attempting to store more than 38 significant digits in a Number")
	case n.exponent > maxExponent:
		return errOverflow()
	case n.exponent < minExponent:
		return invalidf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	default:
		return nil
	}
}

func errOverflow() error {
	return invalidf("Number overflow. Attempting to store a number with magnitude larger than supported range")
}

func scanNumber(text string) (n Number, ok bool) {
	rest := text
	if r, cut := strings.CutPrefix(rest, "-"); cut {
		n.negative, rest = true, r
	} else {
		rest = strings.TrimPrefix(rest, "+")
	}
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.Atoi(rest[i+1:])
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return n, false
		}
		n.exponent, rest = max(-farExponent, min(e, farExponent)), rest[:i]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	digits := whole + fraction
	if digits == "" {
		return n, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return n, false
		}
	}
	n.exponent += len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	n.exponent -= len(digits) - len(trimmed)
	n.digits = strings.TrimRight(trimmed, "0")
	if n.digits == "" {
		return Number{}, true
	}
	return n, true
}

// Compare orders by value.
func (n Number) Compare(m Number) int {
	if s := cmp.Compare(n.sign(), m.sign()); s != 0 || n.digits == "" {
		return s
	}
	c := cmp.Compare(n.exponent, m.exponent)
	if c == 0 {
		c = strings.Compare(n.digits, m.digits)
	}
	if n.negative {
		return -c
	}
	return c
}

func (n Number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	default:
		return 1
	}
}

// String is the plain decimal text without an exponent, as DynamoDB answers it.
func (n Number) String() string {
	if n.digits == "" {
		return "0"
	}
	sign := ""
	if n.negative {
		sign = "-"
	}
	switch {
	case n.exponent <= 0:
		return sign + "0." + strings.Repeat("0", -n.exponent) + n.digits
	case n.exponent >= len(n.digits):
		return sign + n.digits + strings.Repeat("0", n.exponent-len(n.digits))
	default:
		return sign + n.digits[:n.exponent] + "." + n.digits[n.exponent:]
	}
}

// Add returns n + m, which must be within DynamoDB's limits.
func (n Number) Add(m Number) (Number, error) {
	low := min(n.low(), m.low())
	sum := new(big.Int).Add(n.scaled(low), m.scaled(low))
	r, _ := scanNumber(sum.String())
	if r.digits != "" {
		r.exponent += low
	}
	if len(r.digits) > maxDigits { // the service says so of a sum, also of one that is only too precise
		return r, errOverflow()
	}
	return r, r.check()
}

// Subtract returns n - m, which must be within DynamoDB's limits.
func (n Number) Subtract(m Number) (Number, error) {
	m.negative = !m.negative
	return n.Add(m)
}

// low is the exponent of the last digit.
func (n Number) low() int { return n.exponent - len(n.digits) }

// scaled is n / 10^low as an integer; low is at most n.low(). Exponents are bounded, so this is at most 255 digits.
func (n Number) scaled(low int) *big.Int {
	if n.digits == "" {
		return new(big.Int)
	}
	i, _ := new(big.Int).SetString(n.digits+strings.Repeat("0", n.low()-low), 10)
	if n.negative {
		i.Neg(i)
	}
	return i
}

// SortKey appends bytes whose order is the order of the numbers.
func (n Number) SortKey(b []byte) []byte {
	if n.digits == "" {
		return append(b, 1)
	}
	e := uint16(n.exponent + 1<<14) //nolint:gosec // exponents are within ±200
	if !n.negative {
		return append(append(b, 2, byte(e>>8), byte(e)), n.digits...)
	}
	e = ^e
	b = append(b, 0, byte(e>>8), byte(e))
	for i := range len(n.digits) {
		b = append(b, '0'+'9'-n.digits[i])
	}
	return append(b, 0xff) // a prefix of the digits is the larger negative number
}

// size is what DynamoDB counts for a number: one byte for two digits, and one, and one for a minus.
func (n Number) size() int {
	s := (len(n.digits)+1)/2 + 1
	if n.negative {
		s++
	}
	return s
}
