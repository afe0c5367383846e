package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// generator makes random items and expressions. They are of few names and values, so that paths are often there,
// values often equal and types often wrong.
type generator struct {
	*rand.Rand
	names  map[string]string // of the placeholders of this case, as JSON
	values map[string]string // likewise, as DynamoDB JSON
}

func newGenerator(seed, n uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, n)), names: map[string]string{}, values: map[string]string{}}
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// one is true once in n times.
func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

var (
	topNames   = []string{"a", "b", "c", "d", "e", "f", "g_1", "it's", "a.b", "x[0]", "🙂", "select", `"`}
	childNames = []string{"x", "y", "z", "a", "it's"}
	texts      = []string{"", "a", "ab", "abc", "b", "é", "zß水🙂", "N", "S", "\x00", "1"}
	decimals   = []string{
		"0", "-0", "1", "1.0", "1e0", "-1", "2", "10", "1.5", "0.1", "3", "-1.50", "12345678901234567890123456789012345678", "1E125", "9.9e125", "1E-130", "-1E-130",
		"0.00000000000000000000000000000000000001", "99999999999999999999999999999999999999",
	}
	blobs = []string{"", "AA==", "AAE=", "/w==", "YQ==", "YWI="}
)

// quote is the JSON of a text.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// subset is a JSON array of one to three different elements.
func (g *generator) subset(of []string) string {
	n := 1 + g.IntN(3)
	var all []string
	for _, i := range g.Perm(len(of))[:n] {
		all = append(all, quote(of[i]))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// value is a value of any type, nested up to a depth.
func (g *generator) value(depth int) string {
	kinds := []string{"S", "S", "N", "N", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"}
	if depth > 0 {
		kinds = append(kinds, "M", "M", "M", "L", "L", "L")
	}
	switch kind := pick(g, kinds...); kind {
	case "S":
		return `{"S":` + quote(pick(g, texts...)) + `}`
	case "N":
		return `{"N":` + quote(pick(g, decimals...)) + `}`
	case "B":
		return `{"B":` + quote(pick(g, blobs...)) + `}`
	case "BOOL":
		return pick(g, `{"BOOL":true}`, `{"BOOL":false}`)
	case "NULL":
		return `{"NULL":true}`
	case "SS":
		return `{"SS":` + g.subset(texts) + `}`
	case "NS":
		return `{"NS":` + g.subset([]string{"0", "1.0", "-1", "2.50", "10", "100"}) + `}`
	case "BS":
		return `{"BS":` + g.subset(blobs) + `}`
	case "M":
		return `{"M":{` + strings.Join(g.members(childNames, depth-1), ",") + `}}`
	default:
		var all []string
		for range g.IntN(4) {
			all = append(all, g.value(depth-1))
		}
		return `{"L":[` + strings.Join(all, ",") + `]}`
	}
}

func (g *generator) members(names []string, depth int) (all []string) {
	n := pick(g, g.IntN(len(names)+1), len(names))
	for _, i := range g.Perm(len(names))[:n] {
		value := g.value(depth)
		if kind, ok := usual[names[i]]; ok && !g.one(4) {
			value = g.of(depth, kind)
		}
		all = append(all, quote(names[i])+":"+value)
	}
	return all
}

// usual is the type that an attribute mostly has, so that functions find what they can work on.
var usual = map[string]string{"a": "N", "b": "L", "c": "M", "d": "SS", "e": "S", "f": "NS", "x": "N", "y": "L"}

// of is a value of one of these types.
func (g *generator) of(depth int, kinds ...string) string {
	for range 50 {
		if v := g.value(depth); slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(v, `{"`+k+`"`) }) {
			return v
		}
	}
	return `{"N":"1"}`
}

// name is an attribute's name in an expression, often by a placeholder.
func (g *generator) name(name string) string {
	plain := regexp.MustCompile(`^\w+$`).MatchString(name) && name != "select"
	if plain && !g.one(4) {
		return name
	}
	if g.one(300) {
		return name // which is a reserved word, or no name at all
	}
	p := "#n" + fmt.Sprint(slices.Index(append(slices.Clone(topNames), childNames...), name))
	g.names[p] = quote(name)
	return p
}

func (g *generator) path() string {
	var path strings.Builder
	path.WriteString(g.name(pick(g, topNames...)))
	for range pick(g, 0, 0, 0, 1, 1, 2, 3) {
		if g.one(2) {
			path.WriteString("." + g.name(pick(g, childNames...)))
		} else {
			fmt.Fprintf(&path, "[%d]", g.IntN(4))
		}
	}
	return path.String()
}

// constant is a placeholder of a value.
func (g *generator) constant(value string) string {
	p := ":v" + fmt.Sprint(len(g.values))
	g.values[p] = value
	return p
}

func (g *generator) operand() string {
	switch g.IntN(10) {
	case 0:
		return "size(" + g.path() + ")"
	case 1, 2, 3, 4:
		return g.constant(g.value(2))
	default:
		return g.path()
	}
}

func (g *generator) typed(kinds ...string) string { return g.constant(g.of(1, kinds...)) }

// condition is a condition expression.
func (g *generator) condition(depth int) string {
	if depth > 0 && g.one(2) {
		switch g.IntN(4) {
		case 0:
			return g.condition(depth-1) + pick(g, " AND ", " and ") + g.condition(depth-1)
		case 1:
			return g.condition(depth-1) + pick(g, " OR ", " or\n") + g.condition(depth-1)
		case 2:
			return pick(g, "NOT ", "not ") + g.condition(depth-1)
		default:
			return "(" + g.condition(depth-1) + ")"
		}
	}
	switch g.IntN(12) {
	case 0:
		return "attribute_exists(" + g.path() + ")"
	case 1:
		return "attribute_not_exists(" + g.path() + ")"
	case 2:
		return "attribute_type(" + g.path() + ", " + g.constant(`{"S":`+quote(pick(g, "S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS", "X"))+`}`) + ")"
	case 3:
		return "begins_with(" + g.path() + "," + pick(g, g.path, func() string { return g.typed("S", "B") })() + ")"
	case 4, 5:
		return "contains(" + g.path() + ", " + g.operand() + ")"
	case 6:
		return g.operand() + " BETWEEN " + pick(g, g.operand, func() string { return g.typed("S", "N") })() + " AND " + g.operand()
	case 7:
		list := []string{g.operand()}
		for range g.IntN(3) {
			list = append(list, g.operand())
		}
		return g.operand() + " IN (" + strings.Join(list, ", ") + ")"
	default:
		return g.operand() + " " + pick(g, "=", "=", "<>", "<", "<=", ">", ">=") + " " + g.operand()
	}
}

// term is the right side of a SET.
func (g *generator) term(depth int) string {
	if depth > 0 {
		switch g.IntN(8) {
		case 0, 1:
			return g.number(depth-1) + pick(g, " + ", " - ") + g.number(depth-1)
		case 2:
			return "if_not_exists(" + g.path() + ", " + g.term(depth-1) + ")"
		case 3, 4:
			return "list_append(" + g.list(depth-1) + ", " + g.list(depth-1) + ")"
		}
	}
	return pick(g, g.path, func() string { return g.constant(g.value(2)) })()
}

func (g *generator) number(depth int) string {
	return pick(g, g.path, func() string { return pick(g, "a", "c.x", "b[0]", "a") }, func() string { return g.typed("N") }, func() string { return g.typed("N") }, func() string {
		return "if_not_exists(" + pick(g, g.path(), "a") + ", " + g.typed("N") + ")"
	}, func() string { return g.term(depth) })()
}

func (g *generator) list(depth int) string {
	return pick(g, g.path, func() string { return pick(g, "b", "c.y", "b[1]", "b") }, func() string { return g.typed("L") }, func() string {
		return "if_not_exists(" + g.path() + ", " + g.typed("L") + ")"
	}, func() string { return g.term(depth) })()
}

// tame is an action of an update that can mostly be made.
func (g *generator) tame(clause string) string {
	number, list := pick(g, "a", "c.x"), pick(g, "b", "c.y")
	name := g.name(pick(g, topNames...))
	switch clause {
	case "SET":
		return pick(g,
			func() string { return number + " = " + number + pick(g, " + ", " - ") + g.typed("N") },
			func() string { return name + " = " + g.typed("N") + pick(g, " + ", " - ") + number },
			func() string { return list + " = list_append(" + list + ", " + g.typed("L") + ")" },
			func() string { return name + " = list_append(" + g.typed("L") + ", " + list + ")" },
			func() string { return fmt.Sprintf("%s[%d] = ", list, g.IntN(5)) + g.constant(g.value(2)) },
			func() string { return "c." + g.name(pick(g, childNames...)) + " = " + g.constant(g.value(2)) },
			func() string { return name + " = " + g.name(pick(g, topNames...)) },
			func() string { return name + " = if_not_exists(" + g.path() + ", " + g.constant(g.value(2)) + ")" },
			func() string { return name + " = " + g.constant(g.value(2)) },
		)()
	case "REMOVE":
		return pick(g, name, fmt.Sprintf("b[%d]", g.IntN(4)), fmt.Sprintf("b[%d]", g.IntN(4)), fmt.Sprintf("c.y[%d]", g.IntN(4)), "c."+g.name(pick(g, childNames...)))
	case "ADD":
		return pick(g, func() string { return number + " " + g.typed("N") }, func() string { return "d " + g.typed("SS") }, func() string { return "f " + g.typed("NS") },
			func() string { return "fresh " + g.typed("N", "SS", "NS", "BS") })()
	default:
		return pick(g, func() string { return "d " + g.typed("SS") }, func() string { return "f " + g.typed("NS") })()
	}
}

// place is where an update changes something: mostly there, often in a list or a map that is.
func (g *generator) place() string {
	return pick(g, g.path, func() string { return g.name(pick(g, topNames...)) }, func() string { return fmt.Sprintf("b[%d]", g.IntN(5)) },
		func() string { return "c." + g.name(pick(g, childNames...)) }, func() string { return pick(g, "b[0]", "b[1]", "c.y") + fmt.Sprintf("[%d]", g.IntN(3)) })()
}

// update is an update expression.
func (g *generator) update() string {
	var parts, places []string
	clauses := []string{"SET", "REMOVE", "ADD", "DELETE"}
	for _, i := range g.Perm(4)[:pick(g, 1, 1, 1, 2, 2, 3)] {
		var actions []string
		for range pick(g, 1, 1, 2, 3) {
			action := g.action(clauses[i])
			place, _, _ := strings.Cut(action, " ")
			if slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(p, place) || strings.HasPrefix(place, p) }) && !g.one(8) {
				continue // paths that overlap are refused at once
			}
			places, actions = append(places, place), append(actions, action)
		}
		if len(actions) > 0 {
			parts = append(parts, pick(g, clauses[i], clauses[i], strings.ToLower(clauses[i]))+" "+strings.Join(actions, ", "))
		}
	}
	return strings.Join(parts, " ")
}

func (g *generator) action(clause string) string {
	if !g.one(5) {
		return g.tame(clause)
	}
	switch clause {
	case "SET":
		return g.place() + " = " + g.term(2)
	case "REMOVE":
		return g.place()
	case "ADD":
		return pick(g, g.place(), "a", "c.x", "d", "f") + " " + g.typed("N", "SS", "NS", "BS", "N", "S")
	default:
		return pick(g, g.place(), "d", "f", "d") + " " + g.typed("SS", "NS", "BS", "SS", "NS", "N")
	}
}

func (g *generator) projection() string {
	var paths []string
	for range 1 + g.IntN(4) {
		paths = append(paths, g.path())
	}
	return strings.Join(paths, ", ")
}

// sortKey is a value for the sort key.
func (g *generator) sortKey(kind string) string {
	switch kind {
	case "S":
		return `{"S":` + quote(pick(g, texts[1:]...)) + `}`
	case "B":
		return `{"B":` + quote(pick(g, blobs[1:]...)) + `}`
	default:
		return `{"N":` + quote(pick(g, decimals...)) + `}`
	}
}

// keyCondition is a key condition expression for a table whose keys are pk and sk.
func (g *generator) keyCondition(partition, kind string) string {
	parts := []string{"pk = " + g.constant(`{"S":`+quote(partition)+`}`)}
	bound := func() string { return g.constant(g.sortKey(kind)) }
	if g.one(15) {
		bound = func() string { return g.constant(g.value(1)) }
	}
	switch g.IntN(6) {
	case 0:
	case 1:
		parts = append(parts, "sk BETWEEN "+bound()+" AND "+bound())
	case 2:
		parts = append(parts, "begins_with(sk, "+bound()+")")
	default:
		parts = append(parts, "sk "+pick(g, "=", "<", "<=", ">", ">=", "<>")+" "+bound())
	}
	if g.one(20) {
		parts = append(parts, g.condition(0))
	}
	g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, " AND ")
}

var words = regexp.MustCompile(`[#:]?\w+|<>|<=|>=|\S`)

// spoil breaks an expression by one token, mostly.
func (g *generator) spoil(text string) string {
	tokens := words.FindAllString(text, -1)
	i, j := g.IntN(len(tokens)), g.IntN(len(tokens))
	switch g.IntN(4) {
	case 0:
		tokens = slices.Delete(tokens, i, i+1)
	case 1:
		tokens = slices.Insert(tokens, i, tokens[j])
	case 2:
		tokens[i], tokens[j] = tokens[j], tokens[i]
	default:
		tokens[i] = pick(g, "AND", "(", ")", ",", ".", "[", "=", "size", "SET", "1", "-", "$", "#", ":", "year", "#nothing", ":nothing")
	}
	return strings.Join(tokens, " ")
}

var placeholder = regexp.MustCompile(`[#:]\w+`)

// placeholders completes the members of a request with what its expressions refer to, and now and then with more.
func (g *generator) placeholders(members string) string {
	used := placeholder.FindAllString(members, -1)
	for _, kind := range []struct {
		member string
		given  map[string]string
	}{{"ExpressionAttributeNames", g.names}, {"ExpressionAttributeValues", g.values}} {
		var all []string
		for _, p := range slices.Sorted(maps.Keys(kind.given)) {
			if slices.Contains(used, p) || g.one(100) {
				all = append(all, quote(p)+":"+kind.given[p])
			}
		}
		if len(all) > 0 {
			members += `,"` + kind.member + `":{` + strings.Join(all, ",") + "}"
		}
	}
	return members
}
