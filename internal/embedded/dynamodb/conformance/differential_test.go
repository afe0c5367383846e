package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

const (
	usualCases = 3000 // without CROSSFADE_DIFFERENTIAL
	chunkCases = 200  // with the same items
	chunkItems = 20
)

// side is one of the two servers, asked without a client that could change anything on the way.
type side struct {
	http     *http.Client
	endpoint string
	tables   map[string]string // by the type of the sort key
}

// answer is what a server said, in a form that can be compared: sets in order, members by name.
type answer struct{ code, message, body string }

func (s *side) ask(operation, kind, members string) (answer, error) {
	body := fmt.Sprintf(`{"TableName":%q%s}`, s.tables[kind], members)
	if operation == "ExecuteStatement" {
		body = "{" + strings.ReplaceAll(members, tableOfSide, s.tables[kind]) + "}"
	}
	request, err := http.NewRequest(http.MethodPost, s.endpoint, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := s.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	var refused struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // any case
	}
	if response.StatusCode != http.StatusOK {
		err = json.Unmarshal(raw, &refused)
		return answer{code: refused.Type[strings.LastIndexByte(refused.Type, '#')+1:], message: refused.Message}, err
	}
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return answer{}, fmt.Errorf("%w: %s", err, raw)
	}
	body, err = canonical(parsed)
	return answer{body: body}, err
}

// canonical is the JSON of v with sets in order and one text for each number: which text a number has is TestNumbers'.
func canonical(v any) (string, error) {
	order(v)
	b := &bytes.Buffer{}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}

func order(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			order(e)
		}
	case map[string]any:
		for name, e := range v {
			switch e := e.(type) {
			case string:
				if name == "N" {
					v[name] = plain(e)
				}
			case []any:
				for i := range e {
					if text, ok := e[i].(string); ok && name == "NS" {
						e[i] = plain(text)
					}
				}
				if slices.Contains([]string{"SS", "NS", "BS"}, name) {
					slices.SortFunc(e, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				}
			}
			order(e)
		}
	}
}

func plain(number string) string {
	if r, ok := new(big.Rat).SetString(number); ok {
		return r.RatString()
	}
	return number
}

// question is one case: what is asked of both servers.
type question struct {
	operation, kind string
	members         string
	before          string // what is stored under the key beforehand; empty if nothing is written
}

// drawQuestion draws the question of a case about the items of a partition.
func drawQuestion(g *generator, partition string, items []string) question {
	spoil := func(text string) string {
		if g.one(12) {
			return g.spoil(text)
		}
		return text
	}
	partitioned := func() string { return "pk = " + g.constant(`{"S":`+quote(partition)+`}`) }
	query := func(kind, condition, more string) question {
		return question{operation: "Query", kind: kind, members: g.placeholders(`,"ConsistentRead":true,"KeyConditionExpression":` + quote(condition) + more)}
	}
	switch n := g.IntN(26); {
	case n >= 24:
		return g.statementQuestion(partition)
	case n >= 22:
		return g.olderQuestion(partition, items)
	case n >= 20:
		return g.indexQuestion(partition)
	case n < 6:
		return query("N", partitioned(), `,"FilterExpression":`+quote(spoil(g.condition(2))))
	case n < 8:
		return query("N", partitioned(), `,"ProjectionExpression":`+quote(spoil(g.projection())))
	case n < 11:
		kind := pick(g, "N", "S", "B")
		return query(kind, spoil(g.keyCondition(partition, kind)), `,"ScanIndexForward":`+pick(g, "true", "false")+`,"ProjectionExpression":"pk,sk"`)
	}
	key := `"pk":{"S":` + quote(partition+" written") + `},"sk":{"N":"0"}`
	q := question{kind: "N", before: "{" + key + "}"}
	if item := max(pick(g, items...), pick(g, items...)); item != "" { // not empty, mostly
		q.before = "{" + key + "," + item + "}"
	}
	switch g.IntN(12) {
	case 0:
		q.operation, q.members = "PutItem", `,"Item":{`+key+`},"ReturnValues":"ALL_OLD","ConditionExpression":`+quote(spoil(g.condition(2)))
	case 1:
		q.operation, q.members = "DeleteItem", `,"Key":{`+key+`},"ReturnValues":"ALL_OLD","ConditionExpression":`+quote(spoil(g.condition(2)))
	default:
		q.operation, q.members = "UpdateItem", `,"Key":{`+key+`},"ReturnValues":"ALL_NEW","UpdateExpression":`+quote(spoil(g.update()))
		if g.one(6) {
			q.members += `,"ConditionExpression":` + quote(g.condition(1))
		}
	}
	q.members = g.placeholders(q.members)
	return q
}

// pair is both servers, with equal tables.
type pair struct{ embedded, local *side }

func newPair(t *testing.T) pair {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	endpoint := services.SharedDynamoDB(t)
	server := dynamodb.New(dynamodb.Options{})
	p := pair{
		embedded: &side{http: &http.Client{Transport: server.Transport()}, endpoint: "http://dynamodb.test", tables: map[string]string{}},
		local:    &side{http: &http.Client{Transport: transport, Timeout: time.Minute}, endpoint: endpoint, tables: map[string]string{}},
	}
	for _, kind := range []string{"S", "N", "B"} {
		p.embedded.tables[kind] = newTarget(server.Transport(), "http://dynamodb.test", false).table(t, types.ScalarAttributeType(kind), "")
		p.local.tables[kind] = newTarget(transport, endpoint, true).table(t, types.ScalarAttributeType(kind), "")
	}
	p.embedded.tables[indexedKind] = newTarget(server.Transport(), "http://dynamodb.test", false).indexed(t)
	p.local.tables[indexedKind] = newTarget(transport, endpoint, true).indexed(t)
	return p
}

// ask puts a question to both.
func (p pair) ask(q question) (embedded, local answer, err error) {
	var answers [2]answer
	for i, s := range []*side{p.embedded, p.local} {
		if q.before != "" {
			a, err := s.ask("PutItem", q.kind, `,"Item":`+q.before)
			if err != nil || a.code != "" {
				return embedded, local, fmt.Errorf("put %s: %v %w", q.before, a, err)
			}
		}
		if answers[i], err = s.ask(q.operation, q.kind, q.members); err != nil {
			return embedded, local, err
		}
	}
	return answers[0], answers[1], nil
}

func numberOf(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	return n
}

// Generated expressions over generated items: the embedded server answers what DynamoDB Local answers, or refuses with
// the same class of error, but for the known differences.
func TestDifferential(t *testing.T) {
	t.Parallel()
	cases, seed := numberOf(t, "CROSSFADE_DIFFERENTIAL", usualCases), numberOf(t, "CROSSFADE_SEED", 1)
	p := newPair(t)
	var mu sync.Mutex
	outcomes, known := map[string]int{}, map[string]int{}
	var group errgroup.Group
	group.SetLimit(6)
	for chunk := range (cases + chunkCases - 1) / chunkCases {
		group.Go(func() error {
			return p.chunk(uint64(seed), chunk, func(q question, embedded, local answer) {
				mu.Lock()
				defer mu.Unlock()
				outcomes[q.operation+" "+local.code]++
				if embedded.code == local.code && embedded.body == local.body {
					return
				}
				for _, d := range differences {
					if d.explains(q, embedded, local) {
						known[d.why]++
						return
					}
				}
				t.Errorf("seed %d\n%s %s\nbefore   %s\nembedded %.700s\nlocal    %.700s", seed, q.operation, q.members, q.before, embedded, local)
			})
		})
	}
	require.NoError(t, group.Wait())
	for _, counts := range []map[string]int{outcomes, known} {
		for what, n := range counts {
			t.Logf("%7d %s", n, what)
		}
	}
	for _, operation := range []string{"Query", "UpdateItem", "PutItem", "DeleteItem"} {
		require.Positive(t, outcomes[operation+" "], "%s never succeeds: the cases are too odd to show anything", operation)
	}
}

// chunk stores new items in a partition and puts some questions about them.
func (p pair) chunk(seed uint64, chunk int, tell func(q question, embedded, local answer)) error {
	g := newGenerator(seed, uint64(chunk)<<32)
	partition := fmt.Sprintf("chunk %d", chunk)
	var items []string
	for n := range chunkItems {
		indexed := g.indexedItem(partition, n)
		for _, s := range []*side{p.embedded, p.local} {
			a, err := s.ask("PutItem", indexedKind, `,"Item":`+indexed)
			if err != nil || a.code != "" {
				return fmt.Errorf("put %s: %v %w", indexed, a, err)
			}
		}
		item := strings.Join(g.members(topNames, 3), ",")
		items = append(items, item)
		for _, kind := range []string{"S", "N", "B"} {
			members := []string{`"pk":{"S":` + quote(partition) + `}`}
			if kind == "N" {
				members = append(members, fmt.Sprintf(`"sk":{"N":"%d"}`, n))
			} else {
				members = append(members, `"sk":`+g.sortKey(kind))
			}
			if item != "" && kind == "N" {
				members = append(members, item)
			}
			for _, s := range []*side{p.embedded, p.local} {
				a, err := s.ask("PutItem", kind, `,"Item":{`+strings.Join(members, ",")+`}`)
				if err != nil || a.code != "" {
					return fmt.Errorf("put %s: %v %w", members, a, err)
				}
			}
		}
	}
	for n := range chunkCases {
		q := drawQuestion(newGenerator(seed, uint64(chunk)<<32+uint64(n)+1), partition, items)
		embedded, local, err := p.ask(q)
		if err != nil {
			return fmt.Errorf("%+v: %w", q, err)
		}
		tell(q, embedded, local)
	}
	return nil
}

// known is a difference that is not to be mended, and which of the two real DynamoDB agrees with.
type known struct {
	example  question // on which the two differ
	explains func(q question, embedded, local answer) bool
	real     agrees
	why      string
}

var nested = regexp.MustCompile(`if_not_exists\([^(]*if_not_exists\(`)

var differences = []known{
	{
		question{operation: "UpdateItem", kind: "N", members: `,"Key":{"pk":{"S":"a"},"sk":{"N":"0"}},"UpdateExpression":"REMOVE size"`},
		func(_ question, embedded, _ answer) bool {
			return strings.HasSuffix(embedded.message, "Attribute name is a reserved keyword; reserved keyword: size")
		},
		withEmbedded, "the documentation lists SIZE among the reserved words, Local takes it for a name",
	},
	{
		question{
			operation: "UpdateItem", kind: "N", before: `{"pk":{"S":"a"},"sk":{"N":"0"},"a":{"N":"1"}}`,
			members: `,"Key":{"pk":{"S":"a"},"sk":{"N":"0"}},"UpdateExpression":"SET b = if_not_exists(c, if_not_exists(a, d))"`,
		},
		func(q question, embedded, local answer) bool {
			return embedded.code == "" && nested.MatchString(q.members) &&
				local.message == "The provided expression refers to an attribute that does not exist in the item"
		},
		unknown, "Local wants the last operand of an if_not_exists in another one to exist although it is not used; the documentation does not say",
	},
}

// A difference that is none any more is not to stay in the list.
func TestKnownDifferences(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, d := range differences {
		embedded, local, err := p.ask(d.example)
		require.NoError(t, err)
		require.NotEqual(t, embedded, local, d.why)
		require.True(t, d.explains(d.example, embedded, local), "%s: %v, %v", d.why, embedded, local)
		require.Contains(t, []agrees{withEmbedded, unknown}, d.real, d.why)
	}
}
