package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/lab/bench/stub"
)

// schema is the key of the tables: a few hundred countries, so that neither segments nor shards are even.
var schema = events.KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "N"}}

// cities are the rows of a run.
type cities []city

type city struct{ key, item string }

// stub is the rows as the endpoint takes them.
func (c cities) stub() []stub.Row {
	rows := make([]stub.Row, len(c))
	for i, row := range c {
		rows[i] = stub.Row{Key: row.key, Item: row.item}
	}
	return rows
}

// line is a line of the file.
type line struct {
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

// readCities takes n rows evenly from the file, which is in the order of countries; beyond its end new ones.
func readCities(file string, n int) (rows cities, err error) {
	lines, err := readLines(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	for i := range n {
		text := lines[i%len(lines)]
		if n < len(lines) {
			text = lines[i*len(lines)/n]
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if i >= len(lines) {
			l.ID = 100_000_000 + int64(i)
		}
		row, err := l.city(stub.Mark(i))
		if err != nil {
			return nil, fmt.Errorf("read %s: city %d: %w", file, l.ID, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func readLines(file string) (lines [][]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	scanner := bufio.NewScanner(unzipped)
	for scanner.Scan() {
		lines = append(lines, []byte(scanner.Text()))
	}
	if len(lines) == 0 {
		return nil, errors.Join(errors.New("no lines"), scanner.Err())
	}
	return lines, scanner.Err()
}

// city is the row as DynamoDB JSON. It is the file's, and the mark by which the stub endpoint knows it.
func (l line) city(mark string) (city, error) {
	type (
		object = map[string]any
		list   = []any
	)
	text := func(s string) object { return object{"S": s} }
	number := func(n json.RawMessage) object { return object{"N": string(n)} }
	if len(l.Loc.Coordinates) != 2 {
		return city{}, errors.New("not two coordinates")
	}
	item, err := json.Marshal(object{
		"country": text(l.Country), "cityId": object{"N": fmt.Sprint(l.ID)}, "name": text(l.Name), "altCountry": text(l.AltCountry),
		"featureCode": text(l.FeatureCode), "adminCode": text(l.AdminCode), "population": number(l.Population), "mark": text(mark),
		"loc": object{"M": object{
			"type":        text(l.Loc.Type),
			"coordinates": object{"L": list{number(l.Loc.Coordinates[0]), number(l.Loc.Coordinates[1])}},
		}},
	})
	if err != nil {
		return city{}, err
	}
	decoded, err := events.NewDecoder(schema).Item(item)
	if err != nil {
		return city{}, err
	}
	key, err := schema.Key(decoded)
	return city{key: string(key), item: string(item)}, err
}
