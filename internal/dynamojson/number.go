package dynamojson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// DynamoDB's limits of a number: 38 significant digits, magnitude 1e-130 to 9.99…e+125.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

// CanonicalNumber gives the one text of a number: 1, 1.0, 1e0 and +01.00 are all "1", every zero is "0".
// Numbers whose plain text would have more than 38 digits are written as <digits>E<exponent>.
func CanonicalNumber(text string) (string, error) {
	sign, digits, exponent, err := splitNumber(text)
	if err != nil {
		return "", err
	}
	if digits == "" {
		return "0", nil
	}
	if len(digits) > maxDigits {
		return "", fmt.Errorf("number %q has more than %d significant digits", text, maxDigits)
	}
	if top := exponent + len(digits) - 1; top > maxExponent || top < minExponent {
		return "", fmt.Errorf("number %q is out of DynamoDB's range", text)
	}
	point := len(digits) + exponent // digits before the decimal point
	switch {
	case exponent >= 0 && point <= maxDigits:
		return sign + digits + strings.Repeat("0", exponent), nil
	case exponent < 0 && point > 0:
		return sign + digits[:point] + "." + digits[point:], nil
	case exponent < 0 && len(digits)-point <= maxDigits:
		return sign + "0." + strings.Repeat("0", -point) + digits, nil
	default:
		return sign + digits + "E" + strconv.Itoa(exponent), nil
	}
}

// IsPlainInteger reports whether quoted is the JSON string of an integer that is its own canonical text, which most are.
func IsPlainInteger(quoted []byte) bool {
	if len(quoted) < 3 || len(quoted) > 2+maxDigits || quoted[0] != '"' || quoted[1] == '0' {
		return false
	}
	for _, c := range quoted[1 : len(quoted)-1] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// splitNumber cuts text into sign, significant digits without outer zeros, and the exponent of the last one.
func splitNumber(text string) (sign, digits string, exponent int, err error) {
	rest := text
	if r, ok := strings.CutPrefix(rest, "-"); ok {
		sign, rest = "-", r
	} else {
		rest = strings.TrimPrefix(rest, "+")
	}
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		exponent, err = strconv.Atoi(rest[i+1:])
		if err != nil || exponent > 10_000 || exponent < -10_000 {
			return "", "", 0, fmt.Errorf("number %q has no valid exponent", text)
		}
		rest = rest[:i]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", "", 0, errors.New("not a number: " + strconv.Quote(text))
	}
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	return sign, strings.TrimLeft(trimmed, "0"), exponent, nil
}
