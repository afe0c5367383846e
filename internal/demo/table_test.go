package demo

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// tables returns two empty tables on an embedded DynamoDB.
func tables(t *testing.T) (old, fresh *dynamodb.Table) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	server := embedded.New(embedded.Options{})
	endpoint, err := server.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	open := func(name string) *dynamodb.Table {
		table, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: name, Region: region, Endpoint: endpoint})
		require.NoError(t, err)
		require.NoError(t, createTable(t.Context(), table.SDK(), name))
		return table
	}
	return open("old"), open("new")
}

// asAnswered is an item with its numbers as DynamoDB answers them, without exponents.
func asAnswered(item string) string {
	return regexp.MustCompile(`\d+E-\d+`).ReplaceAllStringFunc(item, func(number string) string {
		digits, exponent, _ := strings.Cut(number, "E-")
		n, err := strconv.Atoi(exponent)
		if err != nil {
			panic(err)
		}
		return "0." + strings.Repeat("0", n-len(digits)) + digits
	})
}

// What the application writes by the SDK comes out as it went in, by whatever calls.
func TestTheSameApplicationTwice(t *testing.T) {
	old, fresh := tables(t)
	rows := AllTypes{Seed: 5, Count: 120}
	applications := make([]*Application, 0, 2)
	for _, table := range []*dynamodb.Table{old, fresh} {
		sdk := SDKTable{Client: table.SDK(), Name: table.Name()}
		require.NoError(t, sdk.Load(t.Context(), rows, 0, rows.Count))
		a := &Application{Rows: rows, Table: sdk, Seed: 5}
		require.NoError(t, a.Run(t.Context(), 600))
		applications = append(applications, a)
	}
	app := applications[0]
	c, err := compare.Tables(t.Context(), old, fresh, compare.Options{Schema: schema, Names: names, Deleted: app.Deleted})
	require.NoError(t, err)
	require.True(t, c.OK(), "%+v", c)
	require.Greater(t, c.Compared, rows.Count/2)

	// What is in the table is what the rows say, so nothing was damaged on the way in.
	want := fixed{}
	err = old.Items(t.Context(), 1, func(raw []byte) error {
		want.items = append(want.items, string(raw))
		return nil
	})
	require.NoError(t, err)
	model := newMemory(t)
	for i := range rows.Count {
		require.NoError(t, model.Put(t.Context(), rows.Item(i, 0)))
	}
	require.NoError(t, (&Application{Rows: rows, Table: model, Seed: 5}).Run(t.Context(), 600))
	var modelled fixed
	for _, item := range model.items {
		modelled.items = append(modelled.items, asAnswered(item))
	}
	c, err = compare.Tables(t.Context(), want, modelled, compare.Options{Schema: schema, Names: names, Deleted: app.Deleted})
	require.NoError(t, err)
	require.True(t, c.OK(), "%+v", c)
}

func TestTombstones(t *testing.T) {
	_, fresh := tables(t)
	rows := AllTypes{Count: 3}
	table := SDKTable{Client: fresh.SDK(), Name: fresh.Name(), Tombstones: "d"}
	require.NoError(t, table.Load(t.Context(), rows, 0, 3))
	for i := range 2 {
		require.NoError(t, table.Delete(t.Context(), rows.Key(i)))
	}
	require.NoError(t, table.Update(t.Context(), rows.Key(1), rows.Item(1, 9)))
	want := fixed{items: []string{asAnswered(string(rows.Item(1, 9))), asAnswered(string(rows.Item(2, 0)))}}
	c, err := compare.Tables(t.Context(), want, fresh, compare.Options{Schema: schema, Names: names, Deleted: func(string) bool { return true }})
	require.NoError(t, err)
	require.Equal(t, 1, c.Markers)
	c.Markers = 0
	require.True(t, c.OK(), "%+v", c)
}

func TestUpdateLeavesWhatItDoesNotName(t *testing.T) {
	old, _ := tables(t)
	table := SDKTable{Client: old.SDK(), Name: old.Name()}
	require.NoError(t, table.Put(t.Context(), []byte(item(1, `,"a":{"N":"1"},"it's \"b\".#":{"S":"old"}`))))
	require.NoError(t, table.Update(t.Context(), `{"id":{"S":"1"}}`, []byte(item(1, `,"it's \"b\".#":{"S":"new"}`))))
	require.NoError(t, table.Update(t.Context(), `{"id":{"S":"2"}}`, []byte(item(2, ``))))
	want := fixed{items: []string{item(1, `,"a":{"N":"1"},"it's \"b\".#":{"S":"new"}`), item(2, ``)}}
	c, err := compare.Tables(t.Context(), want, old, compare.Options{Schema: schema, Names: names, Deleted: func(string) bool { return false }})
	require.NoError(t, err)
	require.True(t, c.OK(), "%+v", c)
}

func TestLoadEndsWithItsContext(t *testing.T) {
	old, _ := tables(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := SDKTable{Client: old.SDK(), Name: old.Name()}.Load(ctx, AllTypes{Count: 30}, 0, 30)
	require.ErrorIs(t, err, context.Canceled)
}
