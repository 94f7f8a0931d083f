import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.NamespaceDescriptor;
import org.apache.hadoop.hbase.RegionMetrics;
import org.apache.hadoop.hbase.ServerName;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Get;
import org.apache.hadoop.hbase.client.Put;
import org.apache.hadoop.hbase.client.Table;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.master.HMaster;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * HBase (ZooKeeper, master and region server in this one process), and what a test needs but the Thrift gateway lacks.
 *
 * <p>Usage: {@code Server PORT}. A connection to this port of 127.0.0.1 carries orders, one a line: a name and its
 * arguments, separated by spaces. The answer is one line: {@code ok}, or {@code error: } and the reason.
 */
public final class Server {
    private static final byte[] FAMILY = Bytes.toBytes("c");

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        ServerSocket orders = new ServerSocket(port, 50, InetAddress.getByName("127.0.0.1"));
        long now = System.currentTimeMillis();
        inBackground("orders", () -> takeOrders(orders));
        inBackground("clear ZooKeeper", () -> clearZooKeeper(now));
        HMaster.main(new String[] {"start"});
    }

    /** In a thread that does not keep the process when HBase ends. */
    private static void inBackground(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * Removes from ZooKeeper the servers that were there before {@code start}. They were killed; a new master would wait
     * until their sessions end. HBase's own scripts do the same after a crash.
     */
    private static void clearZooKeeper(long start) {
        try (ZooKeeper zooKeeper = connectToZooKeeper()) {
            List<String> nodes = new ArrayList<>(List.of("/hbase/master"));
            if (zooKeeper.exists("/hbase/rs", false) != null) {
                zooKeeper.getChildren("/hbase/rs", false).forEach(server -> nodes.add("/hbase/rs/" + server));
            }
            for (String node : nodes) {
                Stat stat = zooKeeper.exists(node, false);
                if (stat != null && stat.getCtime() < start) {
                    zooKeeper.delete(node, -1);
                }
            }
        } catch (Exception error) {
            // Then the sessions end by themselves.
            error.printStackTrace();
        }
    }

    /** Connects to the ZooKeeper that HMaster starts. */
    private static ZooKeeper connectToZooKeeper() throws Exception {
        int port = HBaseConfiguration.create().getInt(HConstants.ZOOKEEPER_CLIENT_PORT, 0);
        // ZooKeeper's client would wait for a second after it was refused.
        while (!isListening(port)) {
            Thread.sleep(20);
        }
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zooKeeper = new ZooKeeper("127.0.0.1:" + port, 10_000, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        connected.await();
        return zooKeeper;
    }

    private static boolean isListening(int port) {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            return true;
        } catch (IOException error) {
            return false;
        }
    }

    private static void takeOrders(ServerSocket orders) {
        while (true) {
            try (Socket socket = orders.accept()) {
                InputStreamReader input = new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8);
                BufferedReader lines = new BufferedReader(input);
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    String answer = answer(line.split(" ")) + "\n";
                    socket.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
                }
            } catch (IOException error) {
                // Who has asked is gone.
            }
        }
    }

    private static String answer(String[] order) {
        Configuration settings = HBaseConfiguration.create();
        if (order[0].equals("check")) {
            // It is asked again and again.
            settings.setInt(HConstants.HBASE_CLIENT_RETRIES_NUMBER, 3);
            settings.setInt(HConstants.HBASE_RPC_TIMEOUT_KEY, 10_000);
            settings.setInt(HConstants.HBASE_CLIENT_OPERATION_TIMEOUT, 10_000);
            settings.setInt(HConstants.HBASE_CLIENT_META_OPERATION_TIMEOUT, 10_000);
        }
        try (Connection connection = ConnectionFactory.createConnection(settings);
                Admin admin = connection.getAdmin()) {
            obey(order, connection, admin);
            return "ok";
        } catch (Exception error) {
            return "error: " + error.toString().replaceAll("\\s+", " ");
        }
    }

    private static void obey(String[] order, Connection connection, Admin admin) throws Exception {
        switch (order[0]) {
            case "check" -> check(connection, admin);
            case "create" -> create(admin, order);
            case "enable" -> admin.enableTable(TableName.valueOf(order[1]));
            case "disable" -> admin.disableTable(TableName.valueOf(order[1]));
            case "drop" -> drop(admin, TableName.valueOf(order[1]));
            case "namespace" -> admin.createNamespace(NamespaceDescriptor.create(order[1]).build());
            case "compact" -> flushAndCompact(admin, TableName.valueOf(order[1]));
            default -> throw new IllegalArgumentException("no such order");
        }
    }

    /** Fails unless a table can be created, a cell be written to it and be read. */
    private static void check(Connection connection, Admin admin) throws IOException {
        TableName name = TableName.valueOf("check");
        if (!admin.tableExists(name)) {
            create(admin, new String[] {"create", "check", "c"});
        }
        try (Table table = connection.getTable(name)) {
            byte[] value = Bytes.toBytes(System.nanoTime());
            table.put(new Put(value).addColumn(FAMILY, value, value));
            if (!Bytes.equals(table.get(new Get(value)).getValue(FAMILY, value), value)) {
                throw new IOException("a cell was written and is not there");
            }
        }
        // Needs a master that has started completely.
        admin.flush(name);
    }

    /** {@code create TABLE FAMILY [SPLIT]…}: a table with one region more than there are splits. */
    private static void create(Admin admin, String[] order) throws IOException {
        List<byte[]> splits = new ArrayList<>();
        for (int i = 3; i < order.length; i++) {
            splits.add(Bytes.toBytes(order[i]));
        }
        TableDescriptorBuilder table = TableDescriptorBuilder.newBuilder(TableName.valueOf(order[1]));
        table.setColumnFamily(ColumnFamilyDescriptorBuilder.of(order[2]));
        admin.createTable(table.build(), splits.isEmpty() ? null : splits.toArray(new byte[0][]));
    }

    private static void drop(Admin admin, TableName table) throws IOException {
        if (admin.isTableEnabled(table)) {
            admin.disableTable(table);
        }
        admin.deleteTable(table);
    }

    /** Writes what is in memory to files, then each region's files into one; returns when that is done. */
    private static void flushAndCompact(Admin admin, TableName table) throws Exception {
        admin.flush(table);
        // Files carry their time in milliseconds; those of this compaction must be later.
        long start = System.currentTimeMillis();
        Thread.sleep(2);
        admin.majorCompact(table);
        while (!isCompacted(admin, table, start)) {
            Thread.sleep(10);
        }
    }

    private static boolean isCompacted(Admin admin, TableName table, long start) throws IOException {
        for (ServerName server : admin.getRegionServers()) {
            for (RegionMetrics region : admin.getRegionMetrics(server, table)) {
                boolean isEmpty = region.getStoreFileCount() == 0;
                boolean isDone = region.getStoreFileCount() == region.getStoreCount()
                        && region.getLastMajorCompactionTimestamp() > start;
                if (!isEmpty && !isDone) {
                    return false;
                }
            }
        }
        return true;
    }
}
