import java.sql.*;
import java.util.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

/** What a Java program does with PostgreSQL: prints one line for each thing, to be compared with what it prints directly. */
public class JdbcCheck {
	interface Body { String run() throws Exception; }
	static String url;

	static Connection open(String more) throws SQLException {
		return DriverManager.getConnection(url + more, "super", "super");
	}
	static void check(String name, Body b) {
		String r;
		try {
			r = b.run();
		} catch (SQLException e) {
			r = "SQLException " + e.getSQLState() + " " + e.getMessage().replace('\n', '|');
		} catch (Exception e) {
			r = e.toString();
		}
		System.out.println(name + ": " + r);
	}
	static String one(Connection c, String sql) throws SQLException {
		try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
			return r.next() ? r.getString(1) : "no row";
		}
	}

	/** The same statement on both sides of the threshold at which the driver names it on the server. */
	static String threshold(int threshold, String more) throws SQLException {
		try (Connection c = open("&prepareThreshold=" + threshold + more);
			PreparedStatement p = c.prepareStatement("select ?::int * 2, ?::text")) {
			StringBuilder b = new StringBuilder();
			for (int i = 0; i < 12; i++) {
				p.setInt(1, i);
				p.setString(2, "t" + i);
				try (ResultSet r = p.executeQuery()) {
					r.next();
					b.append(r.getInt(1)).append(r.getString(2)).append(' ');
				}
			}
			return b + "" + p.unwrap(PGStatement.class).isUseServerPrepare();
		}
	}
	static String manyStatements() throws SQLException {
		try (Connection c = open("&prepareThreshold=1&preparedStatementCacheQueries=8")) {
			long sum = 0;
			for (int round = 0; round < 3; round++)
				for (int i = 0; i < 40; i++)
					try (PreparedStatement p = c.prepareStatement("select ? + " + i)) {
						p.setInt(1, round);
						try (ResultSet r = p.executeQuery()) {
							r.next();
							sum += r.getInt(1);
						}
					}
			return "" + sum;
		}
	}
	static String fetchSize(boolean commit) throws SQLException {
		try (Connection c = open("")) {
			c.setAutoCommit(false);
			try (PreparedStatement p = c.prepareStatement("select i from generate_series(1, 1000) i")) {
				p.setFetchSize(7);
				long sum = 0;
				for (int round = 0; round < 7; round++)
					try (ResultSet r = p.executeQuery()) {
						while (r.next())
							sum += r.getLong(1);
					}
				if (commit)
					c.commit();
				else
					c.rollback();
				return "" + sum;
			}
		}
	}
	static String autosave(String how) throws SQLException {
		try (Connection c = open("&autosave=" + how + "&prepareThreshold=1"); Statement s = c.createStatement()) {
			s.execute("drop table if exists jdbc_plan");
			s.execute("create table jdbc_plan (a int)");
			s.execute("insert into jdbc_plan values (1)");
			c.setAutoCommit(false);
			StringBuilder b = new StringBuilder();
			try (PreparedStatement p = c.prepareStatement("select * from jdbc_plan")) {
				for (int i = 0; i < 6; i++) {
					if (i == 3) {
						s.execute("alter table jdbc_plan add b int default 5");
						c.commit();
					}
					try (ResultSet r = p.executeQuery()) {
						r.next();
						b.append(r.getMetaData().getColumnCount()).append(' ');
					} catch (SQLException e) {
						b.append(e.getSQLState()).append(' ');
					}
				}
			}
			try {
				s.execute("select 1/0");
			} catch (SQLException e) {
				b.append(e.getSQLState()).append(' ');
			}
			try {
				b.append(one(c, "select 'after an error'"));
			} catch (SQLException e) {
				b.append(e.getSQLState());
			}
			c.rollback();
			return b.toString();
		}
	}
	static String batch(String more, boolean fails) throws SQLException {
		try (Connection c = open(more); Statement s = c.createStatement()) {
			s.execute("drop table if exists jdbc_batch");
			s.execute("create table jdbc_batch (id int primary key, t text)");
			try (PreparedStatement p = c.prepareStatement("insert into jdbc_batch values (?, ?)")) {
				for (int round = 0; round < 4; round++) {
					for (int i = 0; i < 300; i++) {
						p.setInt(1, fails && round == 3 && i == 250 ? 7 : round * 1000 + i);
						p.setString(2, "text " + i);
						p.addBatch();
					}
					try {
						p.executeBatch();
					} catch (BatchUpdateException e) {
						return e.getSQLState() + " " + e.getUpdateCounts().length + " " + one(c, "select count(*) from jdbc_batch");
					}
				}
			}
			return one(c, "select count(*) || ' ' || sum(id) from jdbc_batch");
		}
	}
	static String keys() throws SQLException {
		try (Connection c = open(""); Statement s = c.createStatement()) {
			s.execute("drop table if exists jdbc_keys");
			s.execute("create table jdbc_keys (id serial, t text)");
			StringBuilder b = new StringBuilder();
			try (PreparedStatement p = c.prepareStatement("insert into jdbc_keys (t) values (?)", Statement.RETURN_GENERATED_KEYS)) {
				for (int i = 0; i < 8; i++) {
					p.setString(1, "t" + i);
					p.executeUpdate();
					try (ResultSet r = p.getGeneratedKeys()) {
						r.next();
						b.append(r.getInt("id")).append(' ');
					}
				}
			}
			return b.toString();
		}
	}
	static String settings() throws SQLException {
		try (Connection c = open("&ApplicationName=jdbc&options=-c%20statement_timeout=77777&currentSchema=pg_catalog,public")) {
			c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
			c.setReadOnly(true);
			c.setSchema("public");
			c.setClientInfo("ApplicationName", "other");
			String r = "";
			for (int i = 0; i < 3; i++)
				r = one(c, "select current_setting('application_name') || ' ' || current_setting('statement_timeout') || ' '"
					+ " || current_setting('search_path') || ' ' || current_setting('default_transaction_isolation')");
			return r + " " + c.getTransactionIsolation() + " " + c.isReadOnly() + " " + one(c, "show transaction_read_only");
		}
	}
	static String copy() throws Exception {
		try (Connection c = open(""); Statement s = c.createStatement()) {
			s.execute("drop table if exists jdbc_copy");
			s.execute("create table jdbc_copy (i int, t text)");
			CopyManager m = c.unwrap(PGConnection.class).getCopyAPI();
			StringBuilder in = new StringBuilder();
			for (int i = 0; i < 20000; i++)
				in.append(i).append("\tline ").append(i).append('\n');
			long n = m.copyIn("copy jdbc_copy from stdin", new StringReader(in.toString()));
			ByteArrayOutputStream out = new ByteArrayOutputStream();
			m.copyOut("copy (select * from jdbc_copy order by i) to stdout", out);
			String bad;
			try {
				m.copyIn("copy jdbc_copy from stdin", new StringReader("not a number\tx\n"));
				bad = "no error";
			} catch (SQLException e) {
				bad = e.getSQLState();
			}
			return n + " " + out.toString(StandardCharsets.UTF_8).equals(in.toString()) + " " + bad + " " + one(c, "select 1");
		}
	}
	static String notifications() throws SQLException {
		try (Connection a = open(""); Connection b = open(""); Statement s = a.createStatement(); Statement t = b.createStatement()) {
			s.execute("listen jdbc_ch");
			t.execute("notify jdbc_ch, 'hello'");
			PGNotification[] n = a.unwrap(PGConnection.class).getNotifications(5000);
			return n == null ? "none" : n.length + " " + n[0].getName() + " " + n[0].getParameter();
		}
	}
	static String cancel() throws Exception {
		try (Connection c = open(""); Statement s = c.createStatement()) {
			Thread t = new Thread(() -> {
				try {
					Thread.sleep(500);
					s.cancel();
				} catch (Exception e) {
					System.out.println("cancel: " + e);
				}
			});
			t.start();
			String r;
			try {
				s.execute("select pg_sleep(30)");
				r = "not canceled";
			} catch (SQLException e) {
				r = e.getSQLState();
			}
			t.join();
			s.setQueryTimeout(1);
			try {
				s.execute("select pg_sleep(30)");
				r += " not timed out";
			} catch (SQLException e) {
				r += " " + e.getSQLState();
			}
			s.setQueryTimeout(0);
			return r + " " + one(c, "select 'fine'");
		}
	}
	static String savepoints() throws SQLException {
		try (Connection c = open("&prepareThreshold=1"); Statement s = c.createStatement()) {
			c.setAutoCommit(false);
			s.execute("create temp table jdbc_sp (a int) on commit drop");
			Savepoint sp = c.setSavepoint("one");
			try {
				s.execute("insert into jdbc_sp values ('x')");
			} catch (SQLException e) {
				c.rollback(sp);
			}
			s.execute("insert into jdbc_sp values (3)");
			String r = one(c, "select sum(a) from jdbc_sp");
			c.commit();
			return r;
		}
	}
	static String calls() throws SQLException {
		try (Connection c = open("&prepareThreshold=1"); Statement s = c.createStatement()) {
			s.execute("create or replace function jdbc_f(a int, out b int, out t text) language plpgsql as 'begin b := a + 1; t := ''x''; end'");
			StringBuilder b = new StringBuilder();
			for (int i = 0; i < 3; i++)
				try (CallableStatement f = c.prepareCall("{call jdbc_f(?, ?, ?)}")) {
					f.setInt(1, i);
					f.registerOutParameter(2, Types.INTEGER);
					f.registerOutParameter(3, Types.VARCHAR);
					f.execute();
					b.append(f.getInt(2)).append(f.getString(3)).append(' ');
				}
			return b.toString();
		}
	}
	static String metadata() throws SQLException {
		try (Connection c = open("")) {
			DatabaseMetaData m = c.getMetaData();
			int n = 0;
			try (ResultSet r = m.getTables(null, "pg_catalog", "pg_cl%", null)) {
				while (r.next())
					n++;
			}
			try (ResultSet r = m.getColumns(null, "pg_catalog", "pg_class", "%")) {
				while (r.next())
					n++;
			}
			return m.getDatabaseProductName() + " " + n;
		}
	}
	static String threads() throws Exception {
		List<Thread> all = new ArrayList<>();
		List<String> wrong = Collections.synchronizedList(new ArrayList<>());
		for (int k = 0; k < 16; k++) {
			final int id = k;
			Thread t = new Thread(() -> {
				try (Connection c = open("&prepareThreshold=2"); PreparedStatement p = c.prepareStatement("select ? || '-' || ?")) {
					for (int i = 0; i < 200; i++) {
						p.setString(1, "c" + id);
						p.setString(2, "" + i);
						try (ResultSet r = p.executeQuery()) {
							r.next();
							if (!r.getString(1).equals("c" + id + "-" + i))
								wrong.add(r.getString(1));
						}
					}
				} catch (SQLException e) {
					wrong.add(e.getMessage());
				}
			});
			all.add(t);
			t.start();
		}
		for (Thread t : all)
			t.join();
		return wrong.toString();
	}
	static String large() throws SQLException {
		try (Connection c = open("&prepareThreshold=1"); PreparedStatement p = c.prepareStatement("select length(?::text), repeat('y', 3000000)")) {
			p.setString(1, "x".repeat(2000000));
			try (ResultSet r = p.executeQuery()) {
				r.next();
				return r.getInt(1) + " " + r.getString(2).length();
			}
		}
	}

	public static void main(String[] a) {
		url = a[0];
		check("the driver's own threshold", () -> threshold(5, ""));
		check("named from the first time on", () -> threshold(1, ""));
		check("never named", () -> threshold(0, ""));
		check("binary at once", () -> threshold(-1, ""));
		for (String mode : new String[] { "simple", "extended", "extendedForPrepared", "extendedCacheEverything" })
			check("preferQueryMode " + mode, () -> threshold(3, "&preferQueryMode=" + mode));
		check("more statements than the driver keeps", () -> manyStatements());
		check("rows in portions, commit", () -> fetchSize(true));
		check("rows in portions, rollback", () -> fetchSize(false));
		for (String how : new String[] { "never", "conservative", "always" })
			check("autosave " + how, () -> autosave(how));
		check("batch", () -> batch("", false));
		check("batch rewritten", () -> batch("&reWriteBatchedInserts=true", false));
		check("batch that fails", () -> batch("", true));
		check("batch that fails, named at once", () -> batch("&prepareThreshold=1", true));
		check("generated keys", () -> keys());
		check("settings", () -> settings());
		check("COPY", () -> copy());
		check("notifications", () -> notifications());
		check("cancel and timeout", () -> cancel());
		check("savepoints and a temporary table", () -> savepoints());
		check("calls", () -> calls());
		check("metadata", () -> metadata());
		check("threads", () -> threads());
		check("large values", () -> large());
	}
}
