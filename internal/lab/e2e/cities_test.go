package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// cities are rows of testdata/cities.jsonl.gz, with country as partition key and cityId as sort key: a skewed table.
type cities struct{ lines []city }

type city struct {
	ID          int64           `json:"cityId"`
	Name        string          `json:"name"`
	Country     string          `json:"country"`
	AltCountry  string          `json:"altCountry"`
	FeatureCode string          `json:"featureCode"`
	AdminCode   string          `json:"adminCode"`
	Population  json.RawMessage `json:"population"`
	Loc         struct {
		Type        string            `json:"type"`
		Coordinates []json.RawMessage `json:"coordinates"`
	} `json:"loc"`
}

// readCities reads the first n cities, all of them if n is 0.
func readCities(t *testing.T, n int) *cities {
	t.Helper()
	f, err := os.Open("../../../testdata/cities.jsonl.gz")
	require.NoError(t, err)
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	c := &cities{}
	for lines := bufio.NewScanner(unzipped); lines.Scan() && (n == 0 || len(c.lines) < n); {
		var line city
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		c.lines = append(c.lines, line)
	}
	require.NotEmpty(t, c.lines)
	return c
}

// spread is n of these rows, from all over them, or all if n is 0.
func (c *cities) spread(n int) *cities {
	if n == 0 || n >= len(c.lines) {
		return c
	}
	some := &cities{}
	for i := range n {
		some.lines = append(some.lines, c.lines[i*len(c.lines)/n])
	}
	return some
}

func (c *cities) Len() int { return len(c.lines) }

// row is row i; those from Len on are new cities.
func (c *cities) row(i int) city {
	if i < len(c.lines) {
		return c.lines[i]
	}
	row := c.lines[i%len(c.lines)]
	row.ID = 100_000_000 + int64(i)
	row.Name = "New " + row.Name
	return row
}

func (c *cities) Key(i int) string {
	row := c.row(i)
	return fmt.Sprintf(`{"country":{"S":"%s"},"cityId":{"N":"%d"}}`, row.Country, row.ID)
}

func (c *cities) Item(i int, change uint64) []byte {
	row := c.row(i)
	quoted := func(s string) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return b
	}
	item := fmt.Appendf(nil, `{"country":{"S":"%s"},"cityId":{"N":"%d"},"name":{"S":%s},"altCountry":{"S":%s},"featureCode":{"S":%s},`+
		`"adminCode":{"S":%s},"population":{"N":"%s"},"loc":{"M":{"type":{"S":%s},"coordinates":{"L":[{"N":"%s"},{"N":"%s"}]}}}`,
		row.Country, row.ID, quoted(row.Name), quoted(row.AltCountry), quoted(row.FeatureCode), quoted(row.AdminCode),
		row.Population, quoted(row.Loc.Type), row.Loc.Coordinates[0], row.Loc.Coordinates[1])
	if change > 0 {
		item = fmt.Appendf(item, `,"change":{"N":"%d"}`, change)
	}
	return append(item, '}')
}
