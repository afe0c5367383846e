package expression

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Kind is one of the ten types, by its name on the wire.
type Kind string

// The types.
const (
	String    Kind = "S"
	Num       Kind = "N"
	Binary    Kind = "B"
	Bool      Kind = "BOOL"
	Null      Kind = "NULL"
	Map       Kind = "M"
	List      Kind = "L"
	StringSet Kind = "SS"
	NumberSet Kind = "NS"
	BinarySet Kind = "BS"
)

// Value is one attribute value. The fields that its Kind does not name are zero. Values are never changed
// once made: an update shares what it leaves alone.
type Value struct {
	Kind Kind
	Text string   // S: the text; N: the decimal text; B: the bytes
	Bool bool     // BOOL
	Set  []string // SS, NS, BS: as Text, in order, without duplicates
	List []Value  // L
	Map  Item     // M
}

// Item is the attributes of an item, or of a map, by name.
type Item map[string]Value

// Number is the value of an N, which ParseItem has checked.
func (v Value) Number() Number {
	n, _ := scanNumber(v.Text)
	return n
}

// Equal reports whether two values are the same for DynamoDB: same type, same content, numbers by value.
func (v Value) Equal(w Value) bool {
	if v.Kind != w.Kind {
		return false
	}
	switch v.Kind {
	case Num:
		return v.Text == w.Text || v.Number().Compare(w.Number()) == 0
	case Bool:
		return v.Bool == w.Bool
	case Map:
		return v.Map.Equal(w.Map)
	case List:
		return slices.EqualFunc(v.List, w.List, Value.Equal)
	case NumberSet:
		return slices.EqualFunc(v.Set, w.Set, func(a, b string) bool { return compareNumbers(a, b) == 0 })
	case StringSet, BinarySet:
		return slices.Equal(v.Set, w.Set)
	default:
		return v.Text == w.Text
	}
}

// Equal reports whether two items have the same attributes with equal values.
func (i Item) Equal(j Item) bool { return maps.EqualFunc(i, j, Value.Equal) }

// compare orders two values of the same scalar type S, N or B.
func (v Value) compare(w Value) int {
	if v.Kind == Num {
		return v.Number().Compare(w.Number())
	}
	return strings.Compare(v.Text, w.Text)
}

func compareNumbers(a, b string) int {
	n, _ := scanNumber(a)
	m, _ := scanNumber(b)
	return n.Compare(m)
}

// sortSet brings a set into its order and reports whether it has duplicates.
func sortSet(kind Kind, set []string) (duplicates bool) {
	compare := strings.Compare
	if kind == NumberSet {
		compare = compareNumbers
	}
	slices.SortFunc(set, compare)
	for i := 1; i < len(set); i++ {
		if compare(set[i-1], set[i]) == 0 {
			return true
		}
	}
	return false
}

// MaxItemBytes is the largest item, by Item.Size.
const MaxItemBytes = 400 * 1024

// Size is the size in bytes by DynamoDB's own rules: names and strings as UTF-8, numbers about one byte for two
// digits, three bytes more for a list or a map and one for each element of it.
func (i Item) Size() int {
	n := 0
	for name, v := range i {
		n += len(name) + v.Size()
	}
	return n
}

// Size is the value's part of Item.Size.
func (v Value) Size() int {
	n := 0
	switch v.Kind {
	case Bool, Null:
		return 1
	case Num:
		return v.Number().size()
	case Map:
		return 3 + len(v.Map) + v.Map.Size()
	case List:
		for _, e := range v.List {
			n += 1 + e.Size()
		}
		return 3 + n
	case NumberSet:
		for _, e := range v.Set {
			m, _ := scanNumber(e)
			n += m.size()
		}
		return n
	case StringSet, BinarySet:
		for _, e := range v.Set {
			n += len(e)
		}
		return n
	default:
		return len(v.Text)
	}
}

// elements is the text of what the function size gives for the value; a string is measured in UTF-16 units.
func (v Value) elements() (string, bool) {
	switch v.Kind {
	case String:
		return strconv.Itoa(len(utf16.Encode([]rune(v.Text)))), true
	case Binary:
		return strconv.Itoa(len(v.Text)), true
	case StringSet, NumberSet, BinarySet:
		return strconv.Itoa(len(v.Set)), true
	case List:
		return strconv.Itoa(len(v.List)), true
	case Map:
		return strconv.Itoa(len(v.Map)), true
	default:
		return "", false
	}
}

// brief is the value as DynamoDB's messages show it.
func (v Value) brief() string {
	if v.Kind == String || v.Kind == Num {
		return "{" + string(v.Kind) + ":" + v.Text + "}"
	}
	return string(v.Append(nil))
}

func (k Kind) scalar() bool { return k == String || k == Num || k == Binary }

// long is the type's name in some of DynamoDB's messages.
func (k Kind) long() string {
	switch k {
	case String:
		return "STRING"
	case Num:
		return "NUMBER"
	case Binary:
		return "BINARY"
	case Bool:
		return "BOOLEAN"
	case Null:
		return "NULL"
	case Map:
		return "MAP"
	case List:
		return "LIST"
	default:
		return string(k)
	}
}

func (k Kind) set() bool { return k == StringSet || k == NumberSet || k == BinarySet }
